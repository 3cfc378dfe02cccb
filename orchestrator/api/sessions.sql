-- name: open
insert into sessions (token_sha256, key_id, expires_at) values ($1, $2, now() + $3)

-- name: forget_expired
delete from sessions where expires_at < now()

-- name: key_of
select key_id from sessions where token_sha256 = $1 and expires_at > now()

-- name: close
delete from sessions where token_sha256 = $1
