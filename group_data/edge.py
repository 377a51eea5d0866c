"""The edge: HAProxy, where the world comes in. Names, rate and body limits are the application's (app.py)."""

# The public certificate with its chain (leaf first) and its key: PEM files on the controller. The key's file must be
# readable by its owner only. None: a certificate of the internal CA, which no browser knows.
ssl_certfile = None
ssl_keyfile = None

# Or each edge gets its certificate by ACME and renews it: "https://acme-v02.api.letsencrypt.org/directory", and where
# the authority may write. edge_acme_ca: who signed the certificate of an ACME server of your own (a PEM file here).
edge_acme_directory = None
edge_acme_email = None
edge_acme_ca = None

# Seconds for which browsers refuse plain HTTP after one visit. Set it to 300 until you are sure.
edge_hsts_seconds = 63072000

# HTTPS connections an edge host holds, about 0.1 MiB each.
edge_max_connections = 4000

# What one address (IPv6: one /64) may have of them, open within 10 seconds, and have under way as requests. Networks of
# a proxy in front of the edges, or of an office with many people behind one address, are exempt when named here.
edge_connections_per_source = 64
edge_connection_rate_per_source = 300
edge_requests_per_source = 64
edge_trusted_networks = ()

# Seconds a client may take for its TLS handshake and for a request's header, and be silent in the middle of a request.
edge_handshake_timeout_seconds = 5
edge_header_timeout_seconds = 10
edge_client_timeout_seconds = 30

# Seconds a WebSocket may be silent, and seconds the application may take to begin an answer.
edge_tunnel_timeout_seconds = 3600
edge_server_timeout_seconds = 60

# Paths at which passwords could be guessed, and how often in a minute a client may ask for any of them.
edge_auth_rate_limited_paths = ("/auth/login",)
edge_auth_requests_per_minute = 20

# Below these paths are files that lie on the host that took them: the next one is asked when one answers 404.
edge_host_local_paths = ("/uploads/",)

# Below this path are files for browsers with a digest of what is in them in their names: clients keep them for so many
# seconds, unless the application says otherwise. None: there are no such files.
edge_static_path = "/static/"
edge_static_max_age_seconds = 31536000

# While operators work on the application: give --data edge_maintenance="We are back at 14:00 UTC" to a run, and users
# read that; the next run without it lets them in again. Who gets in meanwhile, and when the others are to come back.
edge_maintenance = None
edge_maintenance_networks = ()
edge_retry_after_seconds = 60

# With several edges in one network: an address that one of them holds and the next takes over, such as
# "203.0.113.5/24". Publish it in DNS. None: publish every edge's address, or put your cloud's load balancer in front.
edge_floating_address = None
