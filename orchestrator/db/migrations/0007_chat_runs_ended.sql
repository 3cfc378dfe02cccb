-- A run that goes on in another process is that process's own; one that has ended, or whose process has died, may be
-- taken over. null: not ended, as far as anybody has told.

alter table chat_runs add column ended_at timestamptz;
