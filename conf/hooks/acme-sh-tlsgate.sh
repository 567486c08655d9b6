#!/usr/bin/env sh
# acme.sh's deploy hook: gives a new or renewed certificate to the gate, which checks it and serves it on every https
# binding without dropping a connection.
#
#   cp acme-sh-tlsgate.sh ~/.acme.sh/deploy/tlsgate.sh
#   acme.sh --deploy -d example.com --deploy-hook tlsgate
#
# Where the gate is, is said in the environment at the first run; acme.sh keeps it for the renewals:
#
#   TLSGATE_STATE       the state folder, for its admin.sock; /var/lib/tlsgate if nothing else is said
#   TLSGATE_URL         instead of the socket: https://gate.example:8444
#   TLSGATE_TOKEN_FILE  for TLSGATE_URL: a file with a token that may change_https_settings; only its path is kept
#   TLSGATE_CACERT      for TLSGATE_URL: the CA to trust; STATE/admin-ca.pem if that is readable, else the system's
#   TLSGATE_NAME        the name to store under; the domain if nothing is said
#   TLSGATE_TRIES       how often to try again while the gate cannot be reached; 5
#
# acme.sh calls tlsgate_deploy with: domain, key file, certificate file, CA file, full chain file.

tlsgate_deploy() {
    _tg_domain="$1"
    _tg_key="$2"
    _tg_chain="$5"

    for _tg_setting in TLSGATE_STATE TLSGATE_URL TLSGATE_TOKEN_FILE TLSGATE_CACERT TLSGATE_NAME TLSGATE_TRIES; do
        _getdeployconf "$_tg_setting"
        eval "_tg_value=\"\${$_tg_setting:-}\""
        # shellcheck disable=SC2154 # the eval sets it
        if [ -n "$_tg_value" ]; then
            _savedeployconf "$_tg_setting" "$_tg_value"
        fi
    done

    # "*" cannot stand in a name.
    _tg_name="${TLSGATE_NAME:-$(echo "$_tg_domain" | sed 's/^\*/wildcard/; s/[^A-Za-z0-9._-]/-/g')}"
    _tg_state="${TLSGATE_STATE:-/var/lib/tlsgate}"
    _tg_base="http://localhost"
    _tg_token=""
    set -- --silent --show-error --max-time 180 --retry "${TLSGATE_TRIES:-5}" --retry-connrefused --retry-delay 2
    if [ -n "${TLSGATE_URL:-}" ]; then
        _tg_base="${TLSGATE_URL%/}"
        if [ -n "${TLSGATE_TOKEN_FILE:-}" ]; then
            _tg_token="$(cat "$TLSGATE_TOKEN_FILE")" || return 1
        fi
        if [ -n "${TLSGATE_CACERT:-}" ]; then
            set -- "$@" --cacert "$TLSGATE_CACERT"
        elif [ -r "$_tg_state/admin-ca.pem" ]; then
            set -- "$@" --cacert "$_tg_state/admin-ca.pem"
        fi
    else
        set -- "$@" --unix-socket "$_tg_state/admin.sock"
    fi

    _tg_answer="$(mktemp)" || return 1
    # The token goes in by standard input: arguments can be read by everybody on the machine.
    _tg_status="$(
        { [ -z "$_tg_token" ] || printf 'header = "Authorization: Bearer %s"\n' "$_tg_token"; } |
            curl --config - "$@" --output "$_tg_answer" --write-out '%{http_code}' --request PUT \
                --header 'Accept: application/json' \
                --form "certificate=@$_tg_chain" --form "key=@$_tg_key" \
                "$_tg_base/api/v1/certificates/$_tg_name?reason=acme.sh+renewed"
    )" || _tg_status=""
    case "$_tg_status" in
    2*)
        _info "tlsgate serves $_tg_name."
        _tg_result=0
        ;;
    "")
        _err "The gate was not reached; $_tg_name is served as before."
        _tg_result=1
        ;;
    *)
        _err "tlsgate refused with $_tg_status; $_tg_name is served as before: $(cat "$_tg_answer")"
        _tg_result=1
        ;;
    esac
    rm -f "$_tg_answer"
    return $_tg_result
}
