-- Every statement that changes a job writes its event and its notification in the same transaction. The UPDATE of
-- the job's row comes first: its lock puts the events of one job into one order without gaps.

-- name: count_waiting
SELECT count(*) FROM (SELECT FROM jobs WHERE status = 'queued' LIMIT $1) AS waiting

-- name: seconds_per_job
SELECT (extract(epoch FROM max(finished_at) - min(finished_at)) / nullif(count(*) - 1, 0))::double precision
FROM (SELECT finished_at FROM jobs WHERE finished_at > now() - interval '1 hour' ORDER BY finished_at DESC LIMIT 20) AS t

-- name: insert
WITH job AS (
    INSERT INTO jobs (id, owner, kind, payload, priority, execute_after, idempotency_key, request_hash, last_seq)
    VALUES ($1, $2, $3, $4, $5, greatest(coalesce($6::timestamptz, now()), now()), $7, $8, 1)
    ON CONFLICT (owner, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, progress) SELECT id, last_seq, 'queued', 0 FROM job
)
SELECT job.*, extract(epoch FROM execute_after - now())::double precision AS delay_s,
       pg_notify('job_events', id || ' queued') FROM job

-- name: set_queue_id
UPDATE jobs SET queue_id = $2 WHERE id = $1

-- name: by_idempotency_key
SELECT * FROM jobs WHERE owner = $1 AND idempotency_key = $2

-- name: get
SELECT * FROM jobs WHERE id = $1 AND owner = $2

-- name: get_any
SELECT * FROM jobs WHERE id = $1

-- name: list
SELECT id, owner, kind, status, priority, attempt, tries, progress, stage, eta_s, payload, NULL::jsonb AS result, error,
       cancel_requested, last_seq, created_at, updated_at, execute_after, started_at, finished_at
FROM jobs WHERE owner = $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR kind = $3)
ORDER BY updated_at DESC, id DESC LIMIT $4 OFFSET $5

-- name: count
SELECT count(*) FROM jobs
WHERE owner = $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR kind = $3)

-- name: stages
SELECT stage, input_hash, attempt, started_at, finished_at FROM job_stages WHERE job_id = $1 ORDER BY id

-- name: checkpoints
SELECT id, created_at, data FROM job_checkpoints WHERE job_id = $1 ORDER BY id DESC LIMIT $2

-- name: events_after
SELECT * FROM job_events WHERE job_id = $1 AND seq > $2 ORDER BY seq LIMIT $3

-- name: cancel
WITH job AS (
    UPDATE jobs SET status = 'cancelled', cancel_requested = true, eta_s = NULL, last_seq = last_seq + 1,
                    updated_at = now(), finished_at = now()
    WHERE id = $1 AND owner = $2 AND status IN ('queued', 'running')
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress)
    SELECT id, last_seq, 'cancelled', stage, progress FROM job
)
SELECT job.*, pg_notify('job_events', id || ' cancelled') FROM job

-- name: claim
WITH job AS (
    UPDATE jobs SET status = 'running', attempt = attempt + 1, tries = tries + 1, last_seq = last_seq + 1,
                    updated_at = now(), started_at = coalesce(started_at, now())
    WHERE id = $1 AND status IN ('queued', 'running')
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress, data)
    SELECT id, last_seq, 'running', stage, progress, jsonb_build_object('attempt', attempt) FROM job
)
SELECT job.*, pg_notify('job_events', id || ' running') FROM job

-- name: is_current
SELECT EXISTS (SELECT FROM jobs WHERE id = $1 AND attempt = $2 AND status = 'running')

-- name: stage_output
SELECT output FROM job_stages WHERE job_id = $1 AND stage = $2 AND input_hash = $3

-- name: finish_stage
WITH job AS (
    UPDATE jobs SET stage = $3, progress = greatest(progress, $6), tries = 0, last_seq = last_seq + 1,
                    updated_at = now()
    WHERE id = $1 AND attempt = $2 AND status = 'running'
    RETURNING *
), stored AS (
    INSERT INTO job_stages (job_id, stage, input_hash, output, attempt, started_at)
    SELECT id, $3, $4, $5, attempt, $7 FROM job
    ON CONFLICT (job_id, stage) DO UPDATE
    SET input_hash = excluded.input_hash, output = excluded.output, attempt = excluded.attempt,
        started_at = excluded.started_at, finished_at = now(), id = DEFAULT
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress, data)
    SELECT id, last_seq, 'stage', stage, progress, jsonb_build_object('stage', $3::text) FROM job
)
SELECT job.last_seq, pg_notify('job_events', id || ' stage') FROM job

-- name: write_event
WITH job AS (
    UPDATE jobs SET stage = coalesce($4, stage), progress = greatest(progress, $5), eta_s = coalesce($6, eta_s),
                    last_seq = last_seq + 1, updated_at = now()
    WHERE id = $1 AND attempt = $2 AND status = 'running'
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress, data)
    SELECT id, last_seq, $3, stage, progress, $7 FROM job
)
SELECT job.last_seq, pg_notify('job_events', id || ' ' || $3) FROM job

-- name: finish
WITH job AS (
    UPDATE jobs SET status = $3, result = $4, error = $5, eta_s = NULL, last_seq = last_seq + 1, updated_at = now(),
                    progress = CASE WHEN $3 = 'succeeded' THEN 1 ELSE progress END, finished_at = now()
    WHERE id = $1 AND attempt = $2 AND status = 'running'
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress, data)
    SELECT id, last_seq, status, stage, progress, CASE WHEN error IS NULL THEN '{}' ELSE jsonb_build_object('error', error) END
    FROM job
)
SELECT job.last_seq, pg_notify('job_events', id || ' ' || status) FROM job

-- name: requeue
WITH job AS (
    UPDATE jobs SET status = 'queued', eta_s = NULL, last_seq = last_seq + 1, updated_at = now(),
                    tries = CASE WHEN $4 THEN greatest(tries - 1, 0) ELSE tries END,
                    execute_after = now() + make_interval(secs => $3)
    WHERE id = $1 AND attempt = $2 AND status = 'running'
    RETURNING *
), event AS (
    INSERT INTO job_events (job_id, seq, type, stage, progress, data)
    SELECT id, last_seq, 'queued', stage, progress, $5 FROM job
)
SELECT job.last_seq, pg_notify('job_events', id || ' queued') FROM job

-- name: without_queue_row
SELECT id, kind, priority, extract(epoch FROM greatest(execute_after - now(), interval '0'))::double precision AS delay_s
FROM jobs
WHERE status IN ('queued', 'running') AND updated_at < now() - make_interval(secs => $1)
  AND NOT EXISTS (SELECT FROM pgqueuer WHERE pgqueuer.id = jobs.queue_id)
ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
