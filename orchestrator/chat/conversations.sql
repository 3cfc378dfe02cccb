-- name: create
insert into conversations (id, owner, title) values ($1, $2, $3)
returning id, title, created_at, updated_at;

-- name: list
select id, title, created_at, updated_at from conversations
where owner = $1
order by updated_at desc, id desc
limit $2 offset $3;

-- name: count
select count(*) from conversations where owner = $1;

-- name: exists
select id from conversations where id = $1 and owner = $2;

-- name: delete
delete from conversations where id = $1 and owner = $2 returning id;

-- name: touch
update conversations
set updated_at = now(), title = case when title = '' then $3 else title end
where id = $1 and owner = $2
returning id;

-- name: messages
select id, role, content, reasoning, job_ids, meta, created_at from messages
where conversation_id = $1 and owner = $2
order by position;

-- name: add_message
insert into messages (id, conversation_id, owner, role, content, reasoning, job_ids, meta)
values ($1, $2, $3, $4, $5, $6, $7, $8);
