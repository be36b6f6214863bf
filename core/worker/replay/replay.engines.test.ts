import { openTestKafka } from '../../../tests/lib/kafka.ts'
import { replaySuite } from './replay.suite.ts'

replaySuite('Kafka', async (url) => (await openTestKafka(url)).log)
