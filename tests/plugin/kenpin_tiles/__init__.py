"""What another package brings to kenpin: family `tiles` and format `tilelist`."""
