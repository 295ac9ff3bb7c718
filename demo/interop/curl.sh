#!/usr/bin/env bash
# Asks an authorization server of ours, by curl, for every error answer it has, and compares status and error code; no
# error answer may be cached or quote a secret. Needs curl and Go; fails without them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
command -v curl >/dev/null || { echo "interop: curl is missing" >&2; exit 1; }

work=$(mktemp -d)
mkfifo "$work/stdin"
server=
finish() {
	exec 3>&- || true # the server ends with its standard input
	if [ -n "$server" ]; then wait "$server" 2>/dev/null || true; fi
	rm -rf "$work"
}
trap finish EXIT

(cd "$here" && go build -o "$work/server" ./server)
"$work/server" <"$work/stdin" >"$work/out" 2>"$work/log" &
server=$!
exec 3>"$work/stdin"
for _ in $(seq 100); do
	if grep -q '^ready: ' "$work/out"; then break; fi
	if ! kill -0 "$server" 2>/dev/null; then break; fi
	sleep 0.1
done
ready=$(grep '^ready: ' "$work/out") || { echo "interop: the server did not start" >&2; cat "$work/log" >&2; exit 1; }
url=${ready#ready: }

checks=0
bad=0
call() { curl --noproxy '*' -sS -D "$work/head" -o "$work/body" -w '%{http_code}' "$@"; }
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/body"; }
complain() { echo "FAIL  curl: $*" >&2; sed 's/^/      /' "$work/head" "$work/body" >&2; bad=1; }

# answer NAME STATUS ERROR ARG...: the answer of curl ARG... has this status and, in its JSON body, this error.
answer() {
	local name=$1 status=$2 error=$3 got
	shift 3
	checks=$((checks + 1))
	got=$(call "$@")
	if [ "$got" != "$status" ] || [ "$(member error)" != "$error" ]; then
		complain "$name: status $got, error \"$(member error)\"; want $status, \"$error\""
	elif ! grep -qi '^cache-control: no-store' "$work/head"; then
		complain "$name: the answer may be cached"
	elif grep -q -e 'secret-of' -e wonderland -e 'goroutine ' "$work/body"; then
		complain "$name: the answer tells too much"
	elif [ "$status" = 401 ] && ! grep -qi '^www-authenticate: ' "$work/head"; then
		complain "$name: a 401 without a challenge"
	else
		echo "PASS  curl: $name: $status $error"
	fi
}

# redirected NAME ERROR QUERY: the authorize endpoint sends the browser back with this error, state and issuer.
redirected() {
	local name=$1 error=$2 got to
	checks=$((checks + 1))
	got=$(call "$url/authorize?state=the-state&$3")
	to=$(sed -n 's/^[Ll]ocation: \(.*\)\r$/\1/p' "$work/head")
	case $to in
	*"error=$error&"*"iss="*"state=the-state"*) [ "$got" = 303 ] && echo "PASS  curl: $name: 303 $error" && return ;;
	esac
	complain "$name: status $got, Location $to; want error $error"
}

# page NAME STATUS QUERY: the authorize endpoint shows the fault to the user and redirects nobody.
page() {
	local got
	checks=$((checks + 1))
	got=$(call "$url/authorize?$3")
	if [ "$got" != "$2" ] || grep -qi '^location:' "$work/head"; then
		complain "$1: status $got, want $2 and no redirect"
	else
		echo "PASS  curl: $1: $2"
	fi
}

token=$url/token
app=(-u 'app:the secret of app')
login=(-d grant_type=password -d username=alice -d password=wonderland)
refresh() { call "${app[@]}" "$token" "${login[@]}" "$@" >/dev/null && member refresh_token; }

echo '--- the token endpoint: the request'
answer 'GET' 405 invalid_request -G "${app[@]}" "$token" "${login[@]}"
answer 'no Content-Type' 400 invalid_request "${app[@]}" "$token" -H 'Content-Type:' "${login[@]}"
answer 'text/plain' 400 invalid_request "${app[@]}" "$token" -H 'Content-Type: text/plain' "${login[@]}"
answer 'JSON where forms are spoken' 400 invalid_request -u header:secret-of-header "$token" -H 'Content-Type: application/json' -d '{"grant_type":"password"}'
answer 'a form where JSON is spoken' 400 invalid_request "$token" -d client_id=json -d client_secret=secret-of-json "${login[@]}"
answer 'JSON that is none' 400 invalid_request "$token" -H 'Content-Type: application/json' -d '{"grant_type":'
answer 'an array' 400 invalid_request "$token" -H 'Content-Type: application/json' -d '["grant_type"]'
head -c 1048576 /dev/zero | tr '\0' x >"$work/large"
answer '1 MiB' 413 invalid_request "${app[@]}" "$token" --data-binary "@$work/large"
answer 'no grant_type' 400 invalid_request "${app[@]}" "$token" -d username=alice
answer 'a parameter twice' 400 invalid_request "${app[@]}" "$token" "${login[@]}" -d username=bob
answer 'a NUL' 400 invalid_request "${app[@]}" "$token" -d grant_type=password -d username=alice%00 -d password=wonderland
answer 'no UTF-8' 400 invalid_request "${app[@]}" "$token" -d grant_type=password -d username=%ff -d password=wonderland
answer 'a broken escape' 400 invalid_request "${app[@]}" "$token" -d 'grant_type=%zz'
answer 'a slash too many' 404 invalid_request "${app[@]}" "$token/" "${login[@]}"
answer 'an unknown grant' 400 unsupported_grant_type "${app[@]}" "$token" -d grant_type=magic
answer 'a grant the client may not use' 400 unauthorized_client -u other:secret-of-other "$token" -d grant_type=client_credentials

echo '--- the token endpoint: who asks'
answer 'no client' 400 invalid_client "$token" "${login[@]}"
answer 'an unknown client in the header' 401 invalid_client -u nobody:x "$token" "${login[@]}"
answer 'an unknown client in the body' 400 invalid_client "$token" "${login[@]}" -d client_id=nobody -d client_secret=x
answer 'a wrong secret in the header' 401 invalid_client -u other:wrong "$token" "${login[@]}"
answer 'a wrong secret in the body' 400 invalid_client "$token" "${login[@]}" -d client_id=other -d client_secret=wrong
answer 'no secret' 400 invalid_client "$token" "${login[@]}" -d client_id=other
answer 'a secret that the client has not' 400 invalid_client "$token" "${login[@]}" -d client_id=public -d client_secret=x
answer 'the body where the header is wanted' 400 invalid_client "$token" "${login[@]}" -d client_id=header -d client_secret=secret-of-header
answer 'Basic that is no base64' 401 invalid_client -H 'Authorization: Basic ???' "$token" "${login[@]}"
answer 'Basic without a colon' 401 invalid_client -H 'Authorization: Basic b3RoZXI=' "$token" "${login[@]}"
answer 'Bearer' 401 invalid_client -H 'Authorization: Bearer abc' "$token" "${login[@]}"
answer 'two headers' 400 invalid_request -H 'Authorization: Basic YTph' -H 'Authorization: Basic YTpi' "$token" "${login[@]}"
answer 'header and body' 400 invalid_request -u other:secret-of-other "$token" "${login[@]}" -d client_id=other -d client_secret=secret-of-other
answer 'another client_id in the body' 400 invalid_request -u other:secret-of-other "$token" "${login[@]}" -d client_id=app

echo '--- the token endpoint: password'
answer 'no password' 400 invalid_request "${app[@]}" "$token" -d grant_type=password -d username=alice
answer 'a wrong password' 400 invalid_grant "${app[@]}" "$token" -d grant_type=password -d username=alice -d password=wrong
answer 'a scope the client may not have' 400 invalid_scope "${app[@]}" "$token" "${login[@]}" -d scope='read everything'
answer 'a scope that is none' 400 invalid_scope "${app[@]}" "$token" "${login[@]}" -d scope='"'
for _ in $(seq 10); do call "${app[@]}" "$token" -d grant_type=password -d username=mallory -d password=guess >/dev/null; done
answer 'too many guesses' 429 temporarily_unavailable "${app[@]}" "$token" -d grant_type=password -d username=mallory -d password=wonderland
grep -qi '^retry-after: [0-9]' "$work/head" || complain 'too many guesses: no Retry-After'

echo '--- the token endpoint: refresh'
answer 'no refresh token' 400 invalid_request "${app[@]}" "$token" -d grant_type=refresh_token
answer 'an unknown refresh token' 400 invalid_grant "${app[@]}" "$token" -d grant_type=refresh_token -d refresh_token=unknown
rt=$(refresh)
answer "another client's refresh token" 400 invalid_grant -u other:secret-of-other "$token" -d grant_type=refresh_token -d "refresh_token=$rt"
narrow=$(refresh -d scope=read)
answer 'a wider scope' 400 invalid_scope "${app[@]}" "$token" -d grant_type=refresh_token -d "refresh_token=$narrow" -d scope='read write'
answer 'the first use' 200 '' "${app[@]}" "$token" -d grant_type=refresh_token -d "refresh_token=$rt"
next=$(member refresh_token)
answer 'the second use' 400 invalid_grant "${app[@]}" "$token" -d grant_type=refresh_token -d "refresh_token=$rt"
answer 'its successor, after that' 400 invalid_grant "${app[@]}" "$token" -d grant_type=refresh_token -d "refresh_token=$next"

echo '--- the token endpoint: codes'
callback=http://127.0.0.1/callback
verifier=0123456789012345678901234567890123456789abc
challenge=DksyTyvjKJMTgEpPXzLiaCJ1P325hYFdr6STK5uo-WM # its S256
pkce="code_challenge=$challenge&code_challenge_method=S256"
# allow QUERY: signs alice in and prints the code.
allow() {
	local query="$url/authorize?client_id=app&response_type=code&redirect_uri=$callback&$1" request
	call "$query" >/dev/null
	request=$(sed -n 's/.*name="request" value="\([^"]*\)".*/\1/p' "$work/body")
	call "$query" --data-urlencode "request=$request" -d decision=allow -d username=alice -d password=wonderland >/dev/null
	sed -n 's/^[Ll]ocation: .*[?&]code=\([^&]*\).*\r$/\1/p' "$work/head"
}
exchange=(-d grant_type=authorization_code)
answer 'no code' 400 invalid_request "${app[@]}" "$token" "${exchange[@]}"
answer 'an unknown code' 400 invalid_grant "${app[@]}" "$token" "${exchange[@]}" -d code=unknown -d redirect_uri=$callback
code=$(allow "$pkce")
with=("${exchange[@]}" -d "code=$code")
answer "another client's code" 400 invalid_grant -u web:secret-of-web "$token" "${with[@]}" -d redirect_uri=$callback -d code_verifier=$verifier
answer 'another redirect_uri' 400 invalid_grant "${app[@]}" "$token" "${with[@]}" -d redirect_uri=$callback/ -d code_verifier=$verifier
answer 'no redirect_uri' 400 invalid_grant "${app[@]}" "$token" "${with[@]}" -d code_verifier=$verifier
answer 'no verifier' 400 invalid_grant "${app[@]}" "$token" "${with[@]}" -d redirect_uri=$callback
answer 'a wrong verifier' 400 invalid_grant "${app[@]}" "$token" "${with[@]}" -d redirect_uri=$callback -d code_verifier=${verifier}d
answer 'all of it right' 200 '' "${app[@]}" "$token" "${with[@]}" -d redirect_uri=$callback -d code_verifier=$verifier
answer 'twice' 400 invalid_grant "${app[@]}" "$token" "${with[@]}" -d redirect_uri=$callback -d code_verifier=$verifier
code=$(allow '')
answer 'a verifier without a challenge' 400 invalid_grant "${app[@]}" "$token" "${exchange[@]}" -d "code=$code" -d redirect_uri=$callback -d code_verifier=$verifier

echo '--- devices'
polling=(-d grant_type=urn:ietf:params:oauth:grant-type:device_code)
answer 'GET' 405 invalid_request -G "${app[@]}" "$url/device_authorization" -d scope=read
answer 'a client without devices' 400 unauthorized_client -u other:secret-of-other "$url/device_authorization" -d scope=read
answer 'a scope the client may not have' 400 invalid_scope "${app[@]}" "$url/device_authorization" -d scope=everything
answer 'no device code' 400 invalid_request "${app[@]}" "$token" "${polling[@]}"
answer 'an unknown device code' 400 invalid_grant "${app[@]}" "$token" "${polling[@]}" -d device_code=unknown
answer 'a device' 200 '' "${app[@]}" "$url/device_authorization" -d scope=read
device=$(member device_code)
answer 'before the user has decided' 400 authorization_pending "${app[@]}" "$token" "${polling[@]}" -d "device_code=$device"
answer 'too soon' 400 slow_down "${app[@]}" "$token" "${polling[@]}" -d "device_code=$device"

echo '--- the authorize endpoint'
page 'an unknown client' 400 "client_id=nobody&response_type=code&redirect_uri=$callback"
page 'no client' 400 'response_type=code'
page 'a redirect_uri that is not registered' 400 'client_id=app&response_type=code&redirect_uri=https://evil.example/'
page 'a client twice' 400 "client_id=app&client_id=app&response_type=code&redirect_uri=$callback"
known="client_id=app&redirect_uri=$callback"
redirected 'no response_type' invalid_request "$known"
redirected 'an unknown response_type' unsupported_response_type "$known&response_type=magic"
redirected 'a scope the client may not have' invalid_scope "$known&response_type=code&scope=everything"
redirected 'plain PKCE' invalid_request "$known&response_type=code&code_challenge=$challenge&code_challenge_method=plain"
redirected 'a broken challenge' invalid_request "$known&response_type=code&code_challenge=short&code_challenge_method=S256"
redirected 'a public client without PKCE' invalid_request "client_id=public&redirect_uri=$callback&response_type=code"
redirected 'a code for a client without codes' unauthorized_client "client_id=browser&redirect_uri=$callback&response_type=code"

redirected 'a request object' request_not_supported "$known&response_type=code&request=eyJ"
page 'a request_uri that was never given' 400 'client_id=app&request_uri=urn:ietf:params:oauth:request_uri:unknown'

echo '--- pushed authorize requests'
pushed=(-d response_type=code -d redirect_uri=$callback)
answer 'GET' 405 invalid_request -G "${app[@]}" "$url/par" "${pushed[@]}"
answer 'no client' 400 invalid_client "$url/par" "${pushed[@]}"
answer 'a wrong secret' 401 invalid_client -u app:wrong "$url/par" "${pushed[@]}"
answer 'a redirect_uri that is not registered' 400 invalid_request "${app[@]}" "$url/par" -d response_type=code -d redirect_uri=https://evil.example/
answer 'a request_uri' 400 invalid_request "${app[@]}" "$url/par" "${pushed[@]}" -d request_uri=urn:ietf:params:oauth:request_uri:x
answer 'a scope the client may not have' 400 invalid_scope "${app[@]}" "$url/par" "${pushed[@]}" -d scope=everything
answer 'a code for a client without codes' 400 unauthorized_client -u browser:secret-of-browser "$url/par" "${pushed[@]}"
answer 'all of it right' 201 '' "${app[@]}" "$url/par" "${pushed[@]}"
uri=$(member request_uri)
page "another client's request_uri" 400 "client_id=web&request_uri=$uri"
page 'its own' 200 "client_id=app&request_uri=$uri"

echo '--- clients that sign'
assertion=(-d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer)
answer 'an assertion that is none' 400 invalid_client "$token" "${login[@]}" "${assertion[@]}" -d client_assertion=none
answer 'another kind of assertion' 400 invalid_client "$token" "${login[@]}" -d client_assertion_type=saml -d client_assertion=x
answer 'an assertion and a secret' 400 invalid_request "$token" "${login[@]}" "${assertion[@]}" -d client_assertion=x -d client_id=app -d client_secret=x

echo '--- revocation and introspection'
for endpoint in revoke introspect; do
	answer "$endpoint: GET" 405 invalid_request -G "${app[@]}" "$url/$endpoint" -d token=x
	answer "$endpoint: no token" 400 invalid_request "${app[@]}" "$url/$endpoint" -d token_type_hint=access_token
	answer "$endpoint: no client" 400 invalid_client "$url/$endpoint" -d token=x
	answer "$endpoint: a wrong secret" 401 invalid_client -u other:wrong "$url/$endpoint" -d token=x
	answer "$endpoint: an unknown token" 200 '' "${app[@]}" "$url/$endpoint" -d token=unknown
done
grep -q '"active":false' "$work/body" || complain 'an unknown token is active'
answer 'introspect: a public client' 400 invalid_client "$url/introspect" -d token=x -d client_id=public
rt=$(refresh)
answer "revoke: another client's token" 400 unauthorized_client -u other:secret-of-other "$url/revoke" -d "token=$rt"
answer "introspect: another client's refresh token" 200 '' -u other:secret-of-other "$url/introspect" -d "token=$rt"
grep -q '"active":false' "$work/body" || complain "another client's refresh token is told"
answer 'and it lives' 200 '' "${app[@]}" "$token" -d grant_type=refresh_token -d "refresh_token=$rt"

echo '--- userinfo and metadata'
answer 'userinfo: no token' 401 '' "$url/userinfo"
answer 'userinfo: an unknown token' 401 invalid_token -H 'Authorization: Bearer unknown' "$url/userinfo"
answer 'userinfo: Basic' 401 '' "${app[@]}" "$url/userinfo"
answer 'userinfo: DELETE' 405 invalid_request -X DELETE "$url/userinfo"
call -u backend:secret-of-backend "$token" -d grant_type=client_credentials >/dev/null
answer "userinfo: a client's own token" 401 invalid_token -H "Authorization: Bearer $(member access_token)" "$url/userinfo"
answer 'metadata: POST' 405 invalid_request -d x=y "$url/.well-known/oauth-authorization-server"

[ $bad = 0 ] || exit 1
echo "interop: $checks answers as they should be"
