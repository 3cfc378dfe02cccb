-- The chat page's conversations, and the sessions that stand for a key in a browser.

create table conversations (
    id uuid primary key,
    owner text not null,
    title text not null default '',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index conversations_of_owner on conversations (owner, updated_at desc);

create table messages (
    id uuid primary key,
    conversation_id uuid not null references conversations (id) on delete cascade,
    owner text not null,
    position bigint generated always as identity,
    role text not null check (role in ('user', 'assistant')),
    content text not null,
    reasoning text not null default '',
    job_ids text[] not null default '{}',
    -- How the answer ended ("stop", "length", "cancelled", "error") and what the committee said of itself.
    meta jsonb not null default '{}',
    created_at timestamptz not null default now()
);

create index messages_in_order on messages (conversation_id, position);

create table sessions (
    token_sha256 bytea primary key,
    key_id text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
