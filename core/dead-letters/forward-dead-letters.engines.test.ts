import { openTestKafka } from '../../tests/lib/kafka.ts'
import { forwarderSuite } from './forward-dead-letters.suite.ts'

forwarderSuite('Kafka', async (url) => (await openTestKafka(url)).log)
