"""What runs on the hosts themselves: copied there as it is, so it imports nothing of ours."""
