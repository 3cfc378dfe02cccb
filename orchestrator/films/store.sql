-- name: begin
insert into films (id, owner, title, synopsis, request, job_id)
values ($1, $2, $3, $4, $5, $6)
on conflict (id) do update
set request = excluded.request, updated_at = now()
where films.owner = excluded.owner and films.job_id = excluded.job_id
returning id

-- name: take
update films set job_id = $3, updated_at = now()
where id = $1 and owner = $2 and (
    job_id is null or job_id = $3
    or not exists (select from jobs where jobs.id = films.job_id and jobs.status in ('queued', 'running'))
)
returning id

-- name: hold
select job_id from films where id = $1 for share

-- name: get
select f.*, coalesce(j.status, 'planned') as status
from films f left join jobs j on j.id = f.job_id
where f.id = $1 and f.owner = $2

-- name: list
select f.*, coalesce(j.status, 'planned') as status
from films f left join jobs j on j.id = f.job_id
where f.owner = $1 order by f.updated_at desc, f.id desc limit $2 offset $3

-- name: count
select count(*) from films where owner = $1

-- name: scenes
select s.* from scenes s join films f on f.id = s.film_id
where s.film_id = $1 and f.owner = $2 order by s.index_num

-- name: characters
select c.* from characters c join films f on f.id = c.film_id
where c.film_id = $1 and f.owner = $2 order by c.key

-- name: shots
select s.* from film_shots s join films f on f.id = s.film_id
where s.film_id = $1 and f.owner = $2 order by s.index_num

-- name: manifests
select m.kind, m.manifest from film_manifests m join films f on f.id = m.film_id
where m.film_id = $1 and f.owner = $2

-- name: put_manifest
insert into film_manifests (film_id, kind, owner, manifest, job_id) values ($1, $2, $3, $4, $5)
on conflict (film_id, kind) do update
set manifest = excluded.manifest, job_id = excluded.job_id, updated_at = now()

-- name: put_scene
insert into scenes (id, film_id, owner, key, index_num, prompt, plan, job_id) values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (film_id, key) do update
set index_num = excluded.index_num, job_id = excluded.job_id, updated_at = now(),
    -- What the user wrote after this job had read the scene is for the next one.
    prompt = case when scenes.edited then scenes.prompt else excluded.prompt end,
    plan = case when scenes.edited then scenes.plan else excluded.plan end

-- name: drop_other_scenes
delete from scenes where film_id = $1 and key <> all ($2::text[])

-- name: put_character
insert into characters (id, film_id, owner, key, name, description, reference_data) values ($1, $2, $3, $4, $5, $6, $7)
on conflict (film_id, key) do nothing

-- name: put_shot
insert into film_shots (film_id, shot_id, owner, scene_key, index_num, seed, dsl, shot)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (film_id, shot_id) do update
set scene_key = excluded.scene_key, index_num = excluded.index_num, seed = excluded.seed, dsl = excluded.dsl,
    shot = excluded.shot, updated_at = now()

-- name: drop_other_shots
delete from film_shots where film_id = $1 and shot_id <> all ($2::text[])

-- name: put_storyboard
update film_shots set storyboard = $3, updated_at = now() where film_id = $1 and shot_id = $2

-- name: put_animatic
update film_shots set animatic = $3, updated_at = now() where film_id = $1 and shot_id = $2

-- name: put_final
update film_shots set final = $3, updated_at = now() where film_id = $1 and shot_id = $2

-- name: put_nodes
update film_shots set nodes = $3, updated_at = now() where film_id = $1 and shot_id = $2

-- name: scene_assets
update scenes set assets = $3, status = 'succeeded', updated_at = now() where film_id = $1 and key = $2

-- name: cached
select output from film_cache where owner = $1 and stage = $2 and input_hash = $3

-- name: cache
insert into film_cache (owner, stage, input_hash, output) values ($1, $2, $3, $4)
on conflict (owner, stage, input_hash) do update set output = excluded.output

-- name: lock_film
select * from films where id = $1 and owner = $2 for update

-- name: set_metadata
update films set metadata = $3, title = $4, updated_at = now() where id = $1 and owner = $2

-- name: lock_scene
select * from scenes where id = $1 and owner = $2 for update

-- name: set_scene
update scenes set prompt = $3, plan = $4, edited = true, updated_at = now() where id = $1 and owner = $2

-- name: lock_character
select * from characters where id = $1 and owner = $2 for update

-- name: set_character
update characters set name = $3, description = $4, reference_data = $5, updated_at = now() where id = $1 and owner = $2
