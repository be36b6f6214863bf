import './behaviour.css'
import { For } from 'solid-js'
import { AddChip, Chip, OptionList } from '../chips/chip.tsx'
import { EventNameList } from '../chips/name-chip.tsx'
import { useExplore } from '../context.ts'
import {
  funnelParams,
  parseFunnel,
  parseRetention,
  type RetentionQuery,
  retentionParams,
  STEPS_MAX,
  WINDOWS,
} from './state.ts'

/** The chips of a funnel: its steps, and the time within which they are taken. */
export function FunnelChips(props: { onRemoved(): void }) {
  const { params, setParams } = useExplore()
  const funnel = () => parseFunnel(params())
  const setSteps = (steps: string[]) => setParams(funnelParams({ ...funnel(), steps }))
  const within = () => WINDOWS.find(({ seconds }) => seconds === funnel().windowSeconds)?.label
  return (
    <>
      <For each={funnel().steps}>
        {(name, i) => (
          <Chip
            class="is-set"
            label={`${i() + 1}`}
            value={name}
            title={`Step ${i() + 1}: ${name}`}
            removeLabel={`Remove step ${i() + 1}, ${name}`}
            onRemove={() => {
              setSteps(funnel().steps.filter((_, at) => at !== i()))
              props.onRemoved()
            }}
          >
            {(close) => (
              <EventNameList
                chosen={name}
                choose={(chosen) => {
                  close()
                  if (chosen !== undefined)
                    setSteps(funnel().steps.map((step, at) => (at === i() ? chosen : step)))
                }}
              />
            )}
          </Chip>
        )}
      </For>
      <AddChip
        text="Step"
        title="Add a step to the funnel"
        class="add-step"
        shortcut={{ key: 'e', description: 'Add a step' }}
        isDisabled={funnel().steps.length >= STEPS_MAX}
      >
        {(close) => (
          <EventNameList
            chosen={undefined}
            choose={(name) => {
              close()
              if (name !== undefined) setSteps([...funnel().steps, name])
            }}
          />
        )}
      </AddChip>
      <Chip label="Within" value={within()} title="From the first step to the last one">
        {(close) => (
          <OptionList
            options={WINDOWS.map(({ seconds, label }) => ({ value: String(seconds), label }))}
            chosen={String(funnel().windowSeconds)}
            choose={(seconds) => {
              close()
              setParams(funnelParams({ ...funnel(), windowSeconds: Number(seconds) }))
            }}
          />
        )}
      </Chip>
    </>
  )
}

/** The chips of a retention: the event that begins it, the one that counts as a return, and days or weeks. */
export function RetentionChips() {
  const { params, setParams } = useExplore()
  const retention = () => parseRetention(params())
  const set = (changes: Partial<RetentionQuery>) =>
    setParams(retentionParams({ ...retention(), ...changes }))
  return (
    <>
      <NamePart
        label="First"
        name={retention().first}
        shortcut={{ key: 'e', description: 'Choose the first event' }}
        choose={(first) => set({ first })}
      />
      <NamePart
        label="Return"
        name={retention().returning}
        choose={(returning) => set({ returning })}
      />
      <Chip
        label="By"
        value={retention().interval === 'WEEK' ? 'week' : 'day'}
        title="Days or weeks"
        shortcut={{ key: 'i', description: 'Change the interval' }}
      >
        {(close) => (
          <OptionList
            options={[
              { value: 'DAY', label: 'Day' },
              { value: 'WEEK', label: 'Week' },
            ]}
            chosen={retention().interval}
            choose={(interval) => {
              close()
              set({ interval: interval as 'DAY' | 'WEEK' })
            }}
          />
        )}
      </Chip>
    </>
  )
}

function NamePart(props: {
  label: string
  name: string | undefined
  shortcut?: { key: string; description: string }
  choose(name: string | undefined): void
}) {
  return (
    <Chip
      label={props.label}
      value={props.name ?? 'Any event'}
      title={`${props.label} event: ${props.name ?? 'any'}`}
      {...(props.shortcut && { shortcut: props.shortcut })}
    >
      {(close) => (
        <EventNameList
          chosen={props.name}
          allLabel="Any event"
          choose={(name) => {
            close()
            props.choose(name)
          }}
        />
      )}
    </Chip>
  )
}
