"""Texts that a page, a table or a terminal may take for something else."""

SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>"
CLASSES = ("ok", "=cmd|' !A0\"><img src=x onerror=alert(4)>")
"""The good class, and one of defects."""
TEXTS = (
    SCRIPT,
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "</title><script>alert(5)</script>",
    "--><svg onload=alert(6)>",
    "' onmouseover='alert(7)",
    "\u202e\u2066gnp.exe",
    "\x1b[31m\x07\x00",
    "a\r\nSet-Cookie: a=b\r\n\r\n<script>alert(8)</script>",
    "../../../etc/passwd",
    "]]><!--",
)
