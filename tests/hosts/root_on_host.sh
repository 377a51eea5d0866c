# shellcheck shell=sh
# Calls every program of ours as root from a place full of bait, with an environment full of it, and prints what was
# taken. Standard input is empty: a program that wants a command says how it is used.
here=$(mktemp -d /tmp/xteam-bait.XXXXXX)
trap 'rm -rf "$here"' EXIT
mkdir "$here/bin" "$here/home" "$here/taken"
chmod 755 "$here"
chmod 1777 "$here/taken"
for module in sitecustomize usercustomize json ssl os argparse subprocess pathlib runpy xteam_backup xteam_restic encodings; do
    echo "open('$here/taken/$module.py', 'w').close(); raise SystemExit(1)" >"$here/$module.py"
done
for program in sh env cat timeout systemctl systemd-run journalctl psql redis-cli etcdctl patronictl pgbackrest restic curl \
    openssl python3 readlink socat certbot sed grep awk date stat find mktemp runuser fscrypt clevis; do
    printf '#!/bin/sh\n: >%s/taken/%s\n' "$here" "$program" >"$here/bin/$program"
    chmod 755 "$here/bin/$program"
done
echo ": >$here/taken/shell-startup" >"$here/startup"
printf '\\! touch %s/taken/psqlrc\n' "$here" >"$here/home/.psqlrc"
cd "$here" || exit 1
for program in /usr/local/sbin/xteam-* /usr/local/bin/xteam-*; do
    # Words with which each does what it is for, and changes nothing.
    case ${program##*/} in
    # It writes until it is ended, and is started by systemd alone.
    xteam-heartbeat) continue ;;
    xteam-redis) set -- cache PING ;;
    xteam-redis-backup | xteam-files | xteam-patronictl) set -- list ;;
    xteam-etcdctl) set -- member list ;;
    xteam-edge) set -- show info ;;
    xteam-run | xteam-operate) set -- -c pass ;;
    xteam-migrate) set -- check ;;
    xteam-switch | xteam-storage) set -- status ;;
    xteam-log-errors) set -- ssh.service ;;
    *) set -- --help ;;
    esac
    /usr/bin/env PATH="$here/bin:$PATH" HOME="$here/home" PYTHONPATH="$here" PYTHONUSERBASE="$here" PYTHONINSPECT=1 \
        BASH_ENV="$here/startup" ENV="$here/startup" PSQLRC="$here/home/.psqlrc" PGHOST=192.0.2.1 PGUSER=nobody \
        ETCDCTL_ENDPOINTS=http://192.0.2.1:1 RESTIC_PASSWORD_COMMAND="touch $here/taken/restic-password" \
        /usr/bin/timeout 20 "$program" "$@" </dev/null >/dev/null 2>&1 &
done
wait
ls "$here/taken"
