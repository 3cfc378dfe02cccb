-- Films and their manifests. These rows are the truth; files made from them are copies.
create table films (
    id uuid primary key,
    owner text not null,
    title text not null default '',
    synopsis text not null default '',
    -- What was asked for, in full; `metadata` holds what PATCH changed since and anything a client wants to keep.
    request jsonb not null default '{}'::jsonb,
    metadata jsonb not null default '{}'::jsonb,
    -- The job that made it last; its status is the film's.
    job_id uuid references jobs (id) on delete set null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index films_owner on films (owner, updated_at desc);

create table characters (
    id uuid primary key,
    film_id uuid not null references films (id) on delete cascade,
    owner text not null,
    key text not null,
    name text not null,
    description text not null default '',
    reference_data jsonb not null default '{}'::jsonb,
    updated_at timestamptz not null default now(),
    unique (film_id, key)
);

create table scenes (
    id uuid primary key,
    film_id uuid not null references films (id) on delete cascade,
    owner text not null,
    key text not null,
    index_num integer not null,
    prompt text not null,
    plan jsonb not null default '{}'::jsonb,
    -- Set by PATCH: a later run of the film keeps what the user wrote.
    edited boolean not null default false,
    status text not null default 'planned',
    job_id uuid references jobs (id) on delete set null,
    assets jsonb not null default '{}'::jsonb,
    updated_at timestamptz not null default now(),
    unique (film_id, key)
);

create table film_shots (
    film_id uuid not null references films (id) on delete cascade,
    shot_id text not null,
    owner text not null,
    scene_key text not null,
    index_num integer not null,
    seed bigint not null,
    dsl jsonb not null,
    shot jsonb not null,
    storyboard jsonb,
    animatic jsonb,
    final jsonb,
    nodes jsonb,
    updated_at timestamptz not null default now(),
    primary key (film_id, shot_id)
);

create table film_manifests (
    film_id uuid not null references films (id) on delete cascade,
    kind text not null,
    owner text not null,
    manifest jsonb not null,
    job_id uuid references jobs (id) on delete set null,
    updated_at timestamptz not null default now(),
    primary key (film_id, kind)
);

-- What was drawn from which inputs, so that a film made again draws only what changed.
create table film_cache (
    owner text not null,
    stage text not null,
    input_hash text not null,
    output jsonb not null,
    created_at timestamptz not null default now(),
    primary key (owner, stage, input_hash)
);
