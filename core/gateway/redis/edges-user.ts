/**
 * The rights of the Redis user as whom requests of edges run, as in ACL SETUSER: it reads published API keys and cannot
 * write them, and has limits and locks for itself. docs/adr/0013-redis.md and docker-compose.yml have the same.
 */
export const EDGES_USER_RULES =
  '%R~sluice:key:* %R~sluice:keys:as-of ~sluice:{*}:bucket:* ~sluice:{*}:window ~sluice:{*}:claim:* ~sluice:{*}:public-claim:* ~sluice:unknown-keys:* +ping +info +select +client|setname +acl|whoami +multi +exec +eval +evalsha +script|load +script|exists +get +mget +set +del +exists +incrby +pexpire +hget +hset +hmget'
