"""What the deploys are made of: typed settings, the host plan, secrets, certificates, facts and operations."""
