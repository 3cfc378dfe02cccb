-- The few jobs that have not ended, among all that ever were: the workers' housekeeping looks for orphans in them.
create index jobs_unfinished on jobs (updated_at) where status in ('queued', 'running');
