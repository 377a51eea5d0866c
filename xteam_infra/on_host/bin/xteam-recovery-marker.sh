#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# On the leader: one more marker, chained to the one before by its hash. A restore drill looks for them in what it restored.
# Managed by xteam-infra.
if [ $# -gt 0 ]; then
    echo 'usage: xteam-recovery-marker   writes one more marker, if this host leads'
    [ "$1" = --help ]
    exit
fi
cd / && exec psql -XqAt -v ON_ERROR_STOP=1 -d postgres <<'SQL'
select pg_is_in_recovery() as follows, to_regclass('xteam_ops.marker') is null as missing \gset
\if :follows
\q
\endif
\if :missing
create schema if not exists xteam_ops;
create table xteam_ops.marker (
  id bigint generated always as identity primary key, at timestamptz not null, hash text not null
);
\endif
insert into xteam_ops.marker (at, hash)
select now, encode(sha256(convert_to(
  coalesce((select hash from xteam_ops.marker order by id desc limit 1), '') || extract(epoch from now)::text, 'UTF8')), 'hex')
from (select clock_timestamp() as now) as one;
delete from xteam_ops.marker where at < now() - interval '1 day';
SQL
