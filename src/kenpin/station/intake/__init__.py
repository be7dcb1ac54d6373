"""The intake: parts wait in bounded queues, are judged by their product's running version, and recorded once."""
