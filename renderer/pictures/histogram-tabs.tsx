/** The tabs of latency and of addresses: a histogram, and what can be read from it. */
import type { AddressResult } from '../trace/worker/derived/addresses';
import type { LatencyResult } from '../trace/worker/derived/latency';
import { formatBytes, formatCount, formatDuration } from '../widgets/numbers';
import { addressPicture, extentText, hotExtents, sectorAt } from './address-picture';
import { setBrush } from './brushing';
import { CanvasPicture } from './canvas-picture';
import { latencyPicture, percentileOf, shares, stripsOf } from './latency-picture';
import { families } from '../trace/worker/derived/rows';
import { NothingYet } from './nothing-yet';
import { useDerived } from './use-derived';

/** What the picture shows, in words: for those who do not see it, and for tests. */
function latencyWords(result: LatencyResult): string {
  const words = stripsOf(result).map(({ family, counts, total }) => {
    const values = shares.map(
      ({ name, share }) =>
        `${name} ${formatDuration(percentileOf(result, { family, counts }, share))}`,
    );
    return `${families[family] ?? ''}: ${formatCount(total)} requests, ${values.join(', ')}`;
  });
  return `Latency by operation. ${words.join('; ')}`;
}

export function LatencyTab() {
  const result = useDerived('latency');
  if (!result) return null;
  if (stripsOf(result).length === 0) return <NothingYet />;
  return (
    <CanvasPicture
      picture={latencyPicture}
      result={result}
      label={latencyWords(result)}
      testId="latency-picture"
    />
  );
}

const EXTENTS_SHOWN = 12;

function HotExtents({ result }: { readonly result: AddressResult }) {
  return (
    <ol className="hot-extents" aria-label="Hot extents">
      {hotExtents(result, EXTENTS_SHOWN).map((extent) => (
        <li key={extent.from}>
          <button
            type="button"
            className="hot-extent data"
            data-testid="hot-extent"
            data-from={extent.from}
            title={`Show only these sectors. Read ${formatBytes(extent.readBytes)}, written ${formatBytes(extent.writtenBytes)}`}
            onClick={() =>
              setBrush({ time: null, sectors: { from: extent.from, to: extent.to - 1 } })
            }
          >
            <span>{extentText(extent)}</span>
            <span>
              {formatCount(extent.requests)} · {(100 * extent.share).toFixed(1)} %
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

export function AddressTab() {
  const result = useDerived('addresses');
  if (!result) return null;
  if (!result.bins) return <NothingYet />;
  const { bins } = result;
  return (
    <div className="address-tab">
      <CanvasPicture
        picture={addressPicture}
        result={result}
        label={`Requests along the disk, from sector ${formatCount(bins.first * bins.width)} to ${formatCount((bins.first + bins.count) * bins.width - 1)}`}
        testId="address-picture"
        onSelect={(left, right, size) =>
          setBrush({
            time: null,
            sectors: {
              from: Math.floor(sectorAt(result, left, size)),
              to: Math.ceil(sectorAt(result, right, size)) - 1,
            },
          })
        }
      />
      <HotExtents result={result} />
    </div>
  );
}
