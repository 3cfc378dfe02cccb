-- name: adopt
update chat_runs set server = $3, touched_at = now(), ended_at = null
where id = (
    select id from chat_runs
    where owner = $1 and fingerprint = $2 and server <> $3 and touched_at > now() - make_interval(secs => $4)
      and ($5 or not delivered and (
          ended_at is not null or not exists (select from pg_stat_activity where application_name = chat_runs.server)
      ))
    order by touched_at desc limit 1 for update skip locked
)
returning id

-- name: open_run
insert into chat_runs (id, owner, fingerprint, server) values ($1, $2, $3, $4)
on conflict (id) do update set touched_at = now(), ended_at = null

-- name: end_run
update chat_runs set delivered = delivered or $2, touched_at = now(), ended_at = now() where id = $1

-- name: effects
select number, tool, arguments, result from chat_effects where run_id = $1 order by number

-- name: begin_effect
insert into chat_effects (run_id, number, tool, arguments) values ($1, $2, $3, $4)
on conflict (run_id, number) do update set tool = excluded.tool, arguments = excluded.arguments, result = null

-- name: finish_effect
update chat_effects set result = $3 where run_id = $1 and number = $2

-- name: keep
insert into chat_exchanges (owner, call_id, messages)
select $1, call_id, $3 from unnest($2::text[]) as call_id
on conflict (owner, call_id) do update set messages = excluded.messages, created_at = now()

-- name: kept
select call_id, messages from chat_exchanges
where owner = $1 and call_id = any($2::text[]) and created_at > now() - make_interval(secs => $3)

-- name: hold
insert into chat_held (owner, conversation, call_id, tool, arguments)
select $1, $2, call_id, tool, arguments
from unnest($3::text[], $4::text[], $5::jsonb[]) as held (call_id, tool, arguments)
on conflict (owner, conversation, call_id) do update
set tool = excluded.tool, arguments = excluded.arguments, confirmed_by = null, created_at = now()

-- name: confirm
update chat_held set confirmed_by = $4
where owner = $1 and call_id = any($2::text[]) and conversation = any($3::text[])
  and (confirmed_by is null or confirmed_by = $4) and created_at > now() - make_interval(secs => $5)
returning call_id, tool, arguments

-- name: forget_runs
delete from chat_runs where touched_at < now() - make_interval(secs => $1)

-- name: forget_exchanges
delete from chat_exchanges where created_at < now() - make_interval(secs => $1)

-- name: forget_held
delete from chat_held where created_at < now() - make_interval(secs => $1)
