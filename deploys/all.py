"""Every layer, in order. Each file also runs alone: pyinfra INVENTORY deploys/redis.py"""

from pyinfra import local

from xteam_infra.engine.fact_batching import batch_facts

# Most full runs find nothing to change: then all there is to do is to ask.
batch_facts()

# One line each, never a loop: pyinfra tells operations apart by the lines of the call stack.
local.include("deploys/preflight.py")
local.include("deploys/base.py")
local.include("deploys/firewall.py")
local.include("deploys/certificates.py")
local.include("deploys/storage.py")
local.include("deploys/etcd.py")
local.include("deploys/postgres.py")
local.include("deploys/backup.py")
local.include("deploys/redis.py")
local.include("deploys/redis_backup.py")
local.include("deploys/router.py")
local.include("deploys/app.py")
local.include("deploys/celery.py")
local.include("deploys/files.py")
local.include("deploys/edge.py")
local.include("deploys/logs.py")
local.include("deploys/leftovers.py")
local.include("deploys/smoke.py")
