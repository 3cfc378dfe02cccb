-- What turns did on this server: so that a request that is sent again does not act again, a client's next request finds
-- what it was never shown, and a call can wait for the user's word. All of it is short-lived.

create table chat_runs (
    id text primary key,
    owner text not null,
    -- Of the request; the same for one that is sent again.
    fingerprint text not null,
    -- The process that the run belongs to: it remembers its own runs better than this table does.
    server text not null,
    delivered boolean not null default false,
    touched_at timestamptz not null default now()
);

create index chat_runs_of_request on chat_runs (owner, fingerprint, touched_at desc);
create index chat_runs_by_age on chat_runs (touched_at);

create table chat_effects (
    run_id text not null references chat_runs (id) on delete cascade,
    number int not null,
    tool text not null,
    -- JSON as it was called, in canonical order; not jsonb, which would change numbers.
    arguments text not null,
    -- null: begun, and nothing is known of its end.
    result jsonb,
    primary key (run_id, number)
);

create table chat_exchanges (
    owner text not null,
    -- Of a call that was handed to the client in the turn to which the messages belong.
    call_id text not null,
    messages jsonb not null,
    created_at timestamptz not null default now(),
    primary key (owner, call_id)
);

create index chat_exchanges_by_age on chat_exchanges (created_at);

create table chat_held (
    owner text not null,
    call_id text not null,
    -- Hash of what the user had said: the conversation in which the call may be confirmed.
    conversation text not null,
    tool text not null,
    arguments jsonb not null,
    confirmed_by text,
    created_at timestamptz not null default now(),
    primary key (owner, conversation, call_id)
);

create index chat_held_by_age on chat_held (created_at);
