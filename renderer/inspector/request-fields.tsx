/** Every field of a record, with what it means. */
import type { ReactNode } from 'react';
import {
  errnoName,
  flagsOf,
  operationWord,
  resultNames,
  routeByNumber,
} from '../../app/contract/trace';
import { sectorToBytes } from '../../app/contract/units';
import { BIOSCOPE_MARK_INJECTED, BIOSCOPE_RESULT_OK } from '../../app/contract/wire.gen';
import { useDisks } from '../disks/disk-state';
import type { SelectedRequest } from '../trace/view-state';
import { CopyButton } from '../widgets/copy';
import { formatBytes, formatCount } from '../widgets/numbers';
import { errnoMeaning } from './errno-meaning';

function Field(props: {
  readonly name: string;
  readonly label: string;
  /** The exact value, as a test or a script would have it. */
  readonly value: string;
  readonly meaning?: ReactNode;
  readonly copy?: boolean;
  readonly children: ReactNode;
}) {
  const { name, label, value, meaning, copy, children } = props;
  return (
    <div className="field" data-testid="field" data-field={name} data-value={value}>
      <dt>{label}</dt>
      <dd>
        <span className="data">{children}</span>
        {copy === true && <CopyButton text={value} label={`Copy ${label.toLowerCase()}`} />}
        {meaning !== undefined && <span className="meaning">{meaning}</span>}
      </dd>
    </div>
  );
}

/** "2026-11-22 10:41:14.402254117", local time. */
export function wallClock(realtimeNs: bigint): string {
  const date = new Date(Number(realtimeNs / 1_000_000n));
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  const fraction = String(realtimeNs % 1_000_000_000n).padStart(9, '0');
  return `${day} ${time}.${fraction}`;
}

function Result({ request }: { readonly request: SelectedRequest }) {
  const { result, error, marks } = request.record;
  const isOk = result === BIOSCOPE_RESULT_OK;
  const word = isOk || error === 0 ? (resultNames[result] ?? `result ${result}`) : errnoName(error);
  const isInjected = (marks & BIOSCOPE_MARK_INJECTED) !== 0;
  return (
    <Field
      name="result"
      label="Result"
      value={word}
      meaning={
        <>
          {isOk ? 'the backend did what was asked' : errnoMeaning(error)}
          {isInjected && ' (injected on purpose, not the backend’s own)'}
        </>
      }
    >
      <span className={isOk ? '' : 'failed'}>{word}</span>
    </Field>
  );
}

function Flags({ flags }: { readonly flags: number }) {
  const words = flagsOf(flags);
  return (
    <div
      className="field"
      data-testid="field"
      data-field="flags"
      data-value={words.map(({ name }) => name).join(' ')}
    >
      <dt>Flags</dt>
      <dd>
        {words.length === 0 && <span className="dim">none</span>}
        {words.map(({ name, meaning }) => (
          <div key={name} className="flag" data-testid="flag" data-flag={name}>
            <span className="chip">{name}</span>
            <span className="meaning">{meaning}</span>
          </div>
        ))}
      </dd>
    </div>
  );
}

export function RequestFields({ request }: { readonly request: SelectedRequest }) {
  const { record, epochMonotonicNs, epochRealtimeNs } = request;
  const disk = useDisks(({ disks }) => disks.find(({ id }) => id === request.disk));
  const word = operationWord(record.operation);
  const hasSectors = record.length > 0n;
  const sectors = (record.length + 511n) / 512n;
  const first = sectorToBytes(record.sector);
  const realtime = record.arrival - epochMonotonicNs + epochRealtimeNs;
  const route = routeByNumber[record.route] ?? `route ${record.route}`;
  return (
    <dl className="fields">
      <Field name="operation" label="Operation" value={word.name} meaning={word.meaning}>
        <span className="operation" data-family={word.family}>
          {word.name}
        </span>
      </Field>
      {hasSectors && (
        <>
          <Field
            name="sector"
            label="Sector"
            value={String(record.sector)}
            copy
            meaning={sectors > 1n ? `to ${formatCount(record.sector + sectors - 1n)}` : undefined}
          >
            {formatCount(record.sector)}
          </Field>
          <Field
            name="bytes"
            label="Byte offset"
            value={String(first)}
            copy
            meaning={`0x${first.toString(16)}`}
          >
            {formatCount(first)}
          </Field>
        </>
      )}
      <Field
        name="length"
        label="Length"
        value={String(record.length)}
        meaning={
          hasSectors
            ? `${formatCount(record.length)} bytes, ${formatCount(sectors)} ${sectors === 1n ? 'sector' : 'sectors'}`
            : 'this request has no sectors'
        }
      >
        {formatBytes(record.length)}
      </Field>
      <Field name="sequence" label="Sequence" value={String(record.sequence)}>
        {formatCount(record.sequence)}
      </Field>
      <Flags flags={record.flags} />
      <Result request={request} />
      <Field
        name="depth"
        label="Depth"
        value={String(record.depth)}
        meaning="requests in flight when it arrived, with this one"
      >
        {record.depth}
      </Field>
      <Field
        name="queue"
        label="Queue"
        value={String(record.queue)}
        meaning="the engine thread that served it"
      >
        {record.queue}
      </Field>
      <Field name="route" label="Route" value={route}>
        {route}
      </Field>
      <Field
        name="disk"
        label="Disk"
        value={request.disk}
        meaning={disk ? (disk.device ?? disk.fuseFile ?? undefined) : 'detached since'}
      >
        {disk?.name ?? request.disk}
      </Field>
      <Field name="clock" label="Arrived" value={String(realtime)} meaning="local time">
        {wallClock(realtime)}
      </Field>
    </dl>
  );
}
