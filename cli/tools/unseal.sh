#!/bin/sh
# Opens one sealed item with nothing but OpenSSL 3 (core/docs/sealed-v1.md):
#   unseal.sh [-s SIGNERS.pem] [-d SHA256] KEY.pem CERTIFICATE.pem ITEM.cms OBJECT.dcm
# -s: it must be signed by one of these certificates, or by one that they issued; -d: it must have this digest, in hexadecimal.
# OBJECT.dcm is there whole and verified, or not at all; one that is there already is not replaced.
set -eu
umask 077
fail() { echo "unseal.sh: $1" >&2; exit 3; }

signers='' digest=''
while getopts s:d: option; do
    case $option in
        s) signers=$OPTARG ;;
        d) digest=$(echo "$OPTARG" | tr A-F a-f) ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# = 4 ] || { sed -n '3s/^# *//p' "$0" >&2; exit 2; }
key=$1 certificate=$2 item=$3 object=$4
[ ! -e "$object" ] || fail 'there is a file of that name'

work=$(mktemp -d "$(dirname "$object")/.unseal.XXXXXX") || fail 'the target folder cannot be written'
trap 'rm -rf "$work"' EXIT; trap 'exit 3' HUP INT TERM
openssl cms -decrypt -binary -inform DER -in "$item" -inkey "$key" -recip "$certificate" -out "$work/content" \
    2>/dev/null || fail 'it cannot be opened: damaged, or not sealed to this key'
if od -An -v -tx1 -N17 "$work/content" | tr -d ' \n' | grep -Eq '^30(8[1-4])?(..){1,4}06092a864886f70d010702'; then
    if [ -n "$signers" ]; then set -- -CAfile "$signers" -partial_chain -purpose any; else set -- -noverify; fi
    openssl cms -verify -binary -inform DER -in "$work/content" "$@" -out "$work/object" 2>/dev/null ||
        fail 'the signature does not fit, or is not by one who is trusted'
else
    [ -z "$signers" ] || fail 'it is not signed'
    mv "$work/content" "$work/object"
fi
sha256=$(openssl dgst -sha256 -r "$work/object" | cut -c1-64)
[ -z "$digest" ] || [ "$digest" = "$sha256" ] || fail 'it has another digest'
# A link never replaces anything; some file systems have none.
ln "$work/object" "$object" 2>/dev/null || { [ ! -e "$object" ] && mv "$work/object" "$object"; } ||
    fail 'the object cannot be written'
echo "$sha256"
