-- What was made, by whom, and where it lies. The bytes are in the artifact folder under their SHA-256; the same bytes
-- may be listed by several owners and under several names.
create table artifacts (
    owner text not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    name text not null,
    media_type text not null,
    bytes bigint not null check (bytes >= 0),
    job_id uuid references jobs (id) on delete set null,
    meta jsonb not null default '{}'::jsonb,
    created_at timestamptz not null default now(),
    primary key (owner, sha256, name)
);

create index artifacts_job on artifacts (job_id);
