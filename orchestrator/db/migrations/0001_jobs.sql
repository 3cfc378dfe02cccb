-- The truth about durable work. The queue row (PGQueuer's) only says "please run job N".

CREATE TABLE jobs (
    id                uuid PRIMARY KEY,
    owner             text NOT NULL,
    kind              text NOT NULL,
    status            text NOT NULL DEFAULT 'queued'
                      CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    priority          integer NOT NULL DEFAULT 0,
    -- The fencing token: every claim adds one, and a worker may write only while it still matches.
    attempt           integer NOT NULL DEFAULT 0,
    -- Claims since the last finished stage; a job that keeps killing its worker is given up by this count.
    tries             integer NOT NULL DEFAULT 0,
    progress          double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    stage             text,
    eta_s             double precision,
    payload           jsonb NOT NULL,
    result            jsonb,
    error             jsonb,
    idempotency_key   text,
    request_hash      text NOT NULL,
    cancel_requested  boolean NOT NULL DEFAULT false,
    last_seq          bigint NOT NULL DEFAULT 0,
    queue_id          bigint,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    execute_after     timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    finished_at       timestamptz
);

CREATE UNIQUE INDEX jobs_idempotency ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_owner ON jobs (owner, updated_at DESC, id DESC);
CREATE INDEX jobs_by_owner_status ON jobs (owner, status, updated_at DESC, id DESC);
CREATE INDEX jobs_waiting ON jobs (priority) WHERE status = 'queued';
CREATE INDEX jobs_finished ON jobs (finished_at DESC) WHERE finished_at IS NOT NULL;

CREATE TABLE job_stages (
    id           bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    job_id       uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    stage        text NOT NULL,
    input_hash   text NOT NULL,
    output       jsonb NOT NULL,
    attempt      integer NOT NULL,
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, stage)
);

CREATE VIEW job_checkpoints AS
    SELECT id, job_id, finished_at AS created_at,
           jsonb_build_object('stage', stage, 'input_hash', input_hash, 'output', output, 'attempt', attempt) AS data
    FROM job_stages;

CREATE TABLE job_events (
    job_id      uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq         bigint NOT NULL,
    type        text NOT NULL,
    stage       text,
    progress    double precision NOT NULL,
    data        jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, seq)
);
