"""The station: the service beside a line that judges parts, lets people review them, and learns from what they said."""
