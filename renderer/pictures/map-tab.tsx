/** The tab of the map. */
import { useEffect, useRef, useState } from 'react';
import type { Disk } from '../../app/contract/disk';
import { SECTOR_BYTES } from '../../app/contract/units';
import { ask, derivedClient, traceSession } from '../trace/trace-client';
import type { DerivedSubscription } from '../trace/derived-client';
import type { DerivedResult } from '../trace/worker/derived/index';
import type { MapResult } from '../trace/worker/derived/map';
import { formatCount } from '../widgets/numbers';
import { setBrush, useBrush } from './brushing';
import { currentColours, useColours } from './colours';
import { MapController } from './map/map-controller';
import { mapPicture } from './map/map-picture';
import { offerSaving } from './saving';
import { shownGaps, useShownGaps } from './shown-gaps';

/** Shows the request in the table, if it is still there. */
async function goTo(sequence: number): Promise<void> {
  const { ordinal } = await ask({ kind: 'locate', sequence });
  if (ordinal !== null) traceSession.goTo(ordinal);
}

export function MapTab({
  disk,
  onHover,
}: {
  readonly disk: Disk;
  readonly onHover: (text: string) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const controller = useRef<MapController | null>(null);
  const [isZoomed, setIsZoomed] = useState(false);
  const [fallback, setFallback] = useState<string | null>(null);
  const [isEmpty, setIsEmpty] = useState(false);
  const [count, setCount] = useState(0);
  const brush = useBrush();
  const colours = useColours();
  const gaps = useShownGaps();
  const sectors = Math.max(8, Number(disk.size) / SECTOR_BYTES);

  useEffect(() => {
    const host = place.current;
    if (!host) return;
    let subscription: DerivedSubscription | null = null;
    let newest: MapResult | null = null;
    const made = new MapController(host, sectors, currentColours(), {
      request: (parameters) => {
        const request = { kind: 'map', parameters } as const;
        if (subscription) subscription.change(request);
        else subscription = derivedClient.subscribe(request, take);
      },
      brushed: setBrush,
      hovered: onHover,
      picked: (sequence) => void goTo(sequence),
      zoomChanged: setIsZoomed,
      fellBack: setFallback,
    });
    function take(result: DerivedResult | null): void {
      newest = result?.kind === 'map' ? result : null;
      if (newest) made.setResult(newest);
      setIsEmpty(!newest || newest.to < newest.from);
      setCount(newest?.count ?? 0);
    }
    controller.current = made;
    const withdraw = offerSaving(
      {
        draw: (...run) => mapPicture(made.plane, shownGaps()).draw(...run),
        rows: (result) => mapPicture(made.plane, []).rows(result),
      },
      () => newest && { result: newest, size: made.size },
    );
    return () => {
      withdraw();
      controller.current = null;
      subscription?.close();
      made.close();
      onHover('');
    };
  }, [disk.id, sectors, onHover]);
  useEffect(() => controller.current?.setBrush(brush), [brush]);
  useEffect(() => controller.current?.setColours(colours), [colours]);
  // Another disk has another controller.
  useEffect(() => controller.current?.setGaps(gaps), [gaps, disk.id, sectors]);

  return (
    <div className="map-tab">
      <div
        ref={place}
        className="map"
        role="application"
        tabIndex={0}
        data-testid="map"
        aria-label={`Map of ${formatCount(count)} requests over time and sectors. Drag to filter; wheel, plus and minus zoom; Shift and drag, or arrow keys, move; 0 shows all; B filters to what is seen`}
      />
      {isEmpty && (
        <p className="picture-empty dim" data-testid="picture-empty">
          Requests appear here over time and sectors.
        </p>
      )}
      <div className="map-buttons">
        {fallback !== null && (
          <span
            className="chip"
            data-testid="map-fallback"
            title={`${fallback}. The map is drawn without the graphics card: the same, only slower.`}
          >
            No WebGL2: drawn in software
          </span>
        )}
        {isZoomed && (
          <>
            <button type="button" className="link" onClick={() => controller.current?.brushSeen()}>
              Filter to this
            </button>
            <button
              type="button"
              className="link"
              data-testid="map-all"
              onClick={() => controller.current?.showAll()}
            >
              Show all
            </button>
          </>
        )}
      </div>
    </div>
  );
}
