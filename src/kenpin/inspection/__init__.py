"""The inspection of a line: runs judge each picture together by a policy, and every part leaves one durable record."""
