"""What runs on the hosts, inside the application's processes: copied there as it is, so it imports nothing of ours."""
