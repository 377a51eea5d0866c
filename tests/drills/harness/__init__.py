"""What drills are made of: an application that writes and keeps its own ledger, faults, and witnesses."""
