#!/usr/bin/env -S -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh
# shellcheck shell=sh
# The public certificate by ACME. certbot.timer renews it and calls `install`. Managed by xteam-infra.
set -eu
# shellcheck source=/dev/null
. /etc/xteam/programs/edge.env

lineage=/etc/letsencrypt/live/xteam
pem=$CERTIFICATE
directory=$ACME_DIRECTORY
names=$HOSTS
if [ -n "$ACME_CA" ]; then
    export REQUESTS_CA_BUNDLE="$ACME_CA"
fi

usage() {
    echo "usage: xteam-acme done      whether there is a certificate of $directory for $names, and HAProxy shows it"
    echo '       xteam-acme issue     get one now; HAProxy sends the question for it here'
    echo '       xteam-acme install   hand the newest one to HAProxy, which drops no connection'
}

listed() {
    openssl x509 -in "$lineage/cert.pem" -noout -ext subjectAltName | grep -o 'DNS:[^, ]*' | cut -d: -f2 | sort
}

done_() {
    [ -e "$lineage/cert.pem" ] && grep -qxF "server = $directory" /etc/letsencrypt/renewal/xteam.conf &&
        [ "$(listed)" = "$(echo "$names" | tr ' ' '\n' | sort)" ] && openssl x509 -in "$lineage/cert.pem" -noout -checkend 0 >/dev/null &&
        cat "$lineage/fullchain.pem" "$lineage/privkey.pem" | cmp -s - "$pem"
}

install_() {
    umask 077
    cat "$lineage/fullchain.pem" "$lineage/privkey.pem" > "$pem.new"
    mv -f "$pem.new" "$pem"
    # The key goes by standard input. Each answer is empty but for what it says of the certificate.
    { echo "set ssl cert $pem <<"; cat "$pem"; echo; } | socat -t 10 stdio "$ADMIN_SOCKET"
    echo "commit ssl cert $pem" | socat -t 10 stdio "$ADMIN_SOCKET" | grep -q 'Success!' ||
        { echo 'HAProxy did not take the new certificate' >&2; exit 1; }
}

issue() {
    # The hook does not run when certbot has one already and it is not due.
    certbot certonly --non-interactive --agree-tos --email "$ACME_EMAIL" --no-eff-email \
        --server "$directory" --cert-name xteam --renew-with-new-domains --key-type ecdsa \
        --standalone --http-01-address "$ADDRESS" --http-01-port "$ACME_PORT" \
        --deploy-hook '/usr/local/sbin/xteam-acme install' \
        --domains "$(echo "$names" | tr ' ' ,)" "$@"
    done_ || install_
}

case ${1:-} in
    done) done_ ;;
    issue) shift; issue "$@" ;;
    install) install_ ;;
    *) usage; [ "${1:-}" = --help ] ;;
esac
