-- A NOTIFY within the transaction of an append takes the one lock of all notifications until the commit is on the disk,
-- so all appends waited for each other. Now the appending process notifies after the commit
-- (core/log/postgres/append-notifier.ts). Records of a gateway of the former version are found by readers that look,
-- once a second, until that gateway is updated too.
CREATE OR REPLACE FUNCTION log_append(in_topic text, in_partitions int[], in_counts int[], in_bodies bytea[])
RETURNS TABLE (out_partition int, out_base_offset bigint) LANGUAGE plpgsql AS $$
DECLARE
  i int;
  base bigint;
BEGIN
  FOR i IN 1 .. cardinality(in_partitions) LOOP
    UPDATE log_partition SET next_offset = next_offset + in_counts[i]
     WHERE topic = in_topic AND partition = in_partitions[i]
     RETURNING next_offset - in_counts[i] INTO base;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'unknown topic or partition: % %', in_topic, in_partitions[i]
        USING ERRCODE = 'SL001';
    END IF;
    INSERT INTO log_chunk (topic, partition, base_offset, record_count, body)
    VALUES (in_topic, in_partitions[i], base, in_counts[i], in_bodies[i]);
    out_partition := in_partitions[i];
    out_base_offset := base;
    RETURN NEXT;
  END LOOP;
END $$;
