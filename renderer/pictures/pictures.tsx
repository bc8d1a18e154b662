/** Pictures of the requests that pass the filter: their tabs, and the one that is open. */
import { DropdownMenu, Tabs } from 'radix-ui';
import {
  type KeyboardEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react';
import type { Disk } from '../../app/contract/disk';
import { derivedClient } from '../trace/trace-client';
import { Icon } from '../widgets/icon';
import { setBrush, useBrush } from './brushing';
import { countingText } from './counting';
import { AddressTab, LatencyTab } from './histogram-tabs';
import { MapTab } from './map-tab';
import {
  type PictureTab,
  pictureTabs,
  setPictureHeight,
  toggleTab,
  usePictures,
} from './picture-state';
import { nameSaving, saveOpenTab } from './saving';
import { StatisticsTab } from './statistics-tab';
import { TimeTab } from './time-tab';
import './pictures.css';

const titles: Readonly<Record<PictureTab, string>> = {
  map: 'Map',
  time: 'Time',
  latency: 'Latency',
  addresses: 'Addresses',
  statistics: 'Statistics',
};

const fileKinds = [
  { kind: 'png', text: 'Picture (PNG)' },
  { kind: 'svg', text: 'Drawing (SVG)' },
  { kind: 'csv', text: 'Numbers (CSV)' },
] as const;

/** Not modal: Radix would put a style of its own into the page, which our policy forbids. */
function SaveMenu() {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="link" data-testid="picture-save">
          Save…
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end">
          {fileKinds.map(({ kind, text }) => (
            <DropdownMenu.Item
              key={kind}
              className="menu-item"
              data-testid={`picture-save-${kind}`}
              onSelect={() => saveOpenTab(kind)}
            >
              {text}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** That what is seen is filtered by a brush, and the way back. */
function BrushChip() {
  if (useBrush() === null) return null;
  return (
    <button
      type="button"
      className="chip brush-chip"
      data-testid="brush-remove"
      aria-label="Remove the brush from the filter"
      onClick={() => setBrush(null)}
    >
      brush <Icon name="close" />
    </button>
  );
}

const watchShare = (changed: () => void) => derivedClient.watchShare(changed);
const currentShare = () => derivedClient.share;

/** That a picture of many requests is on its way, and how far it is. */
function Counting() {
  const share = useSyncExternalStore(watchShare, currentShare);
  if (share === null) return null;
  return (
    <span className="picture-counting data" data-testid="picture-counting">
      {countingText(share)}
    </span>
  );
}

const HEIGHT_STEP = 20;

/** The lower edge, which sets how tall the picture is. */
function Edge() {
  const height = usePictures((state) => state.height);
  const [from, setFrom] = useState<{ readonly y: number; readonly height: number } | null>(null);
  const keyPressed = (event: KeyboardEvent): void => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    event.preventDefault();
    setPictureHeight(height + (event.key === 'ArrowDown' ? HEIGHT_STEP : -HEIGHT_STEP));
  };
  return (
    <div
      className="picture-edge"
      role="separator"
      tabIndex={0}
      aria-orientation="horizontal"
      aria-label="Height of the picture"
      aria-valuenow={height}
      onKeyDown={keyPressed}
      onPointerDown={(event: PointerEvent) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setFrom({ y: event.clientY, height });
      }}
      onPointerMove={(event) => {
        if (from) setPictureHeight(from.height + event.clientY - from.y);
      }}
      onPointerUp={() => setFrom(null)}
      onPointerCancel={() => setFrom(null)}
    />
  );
}

function OpenTab({
  tab,
  disk,
  onHover,
}: {
  readonly tab: PictureTab;
  readonly disk: Disk;
  readonly onHover: (text: string) => void;
}) {
  switch (tab) {
    case 'map':
      return <MapTab disk={disk} onHover={onHover} />;
    case 'time':
      return <TimeTab />;
    case 'latency':
      return <LatencyTab />;
    case 'addresses':
      return <AddressTab />;
    case 'statistics':
      return <StatisticsTab />;
  }
}

export function Pictures({ disk }: { readonly disk: Disk }) {
  const { tab, isOpen, height } = usePictures();
  const [hovered, setHovered] = useState('');
  const onHover = useCallback((text: string) => setHovered(text), []);
  useEffect(() => nameSaving(disk.name, tab), [disk.name, tab]);
  return (
    <Tabs.Root
      asChild
      value={isOpen ? tab : ''}
      activationMode="manual"
      onValueChange={(value) => {
        const chosen = pictureTabs.find((one) => one === value);
        if (chosen) usePictures.setState({ tab: chosen, isOpen: true });
      }}
    >
      <section className="pictures" aria-label="Pictures" data-testid="pictures" data-open={isOpen}>
        <div className="picture-bar">
          <Tabs.List className="picture-tabs" aria-label="Pictures">
            {pictureTabs.map((one) => (
              <Tabs.Trigger
                key={one}
                value={one}
                className="picture-tab"
                data-testid={`picture-${one}`}
                title={isOpen && one === tab ? 'Fold the pictures' : undefined}
                onMouseDown={(event) => {
                  if (!(isOpen && one === tab) || event.button !== 0) return;
                  event.preventDefault();
                  toggleTab(one);
                }}
              >
                {titles[one]}
              </Tabs.Trigger>
            ))}
          </Tabs.List>
          <Counting />
          <span className="picture-hover data" data-testid="picture-hover">
            {hovered}
          </span>
          <BrushChip />
          {isOpen && <SaveMenu />}
          <button
            type="button"
            className="icon-button picture-fold"
            aria-label={isOpen ? 'Fold the pictures' : 'Open the pictures'}
            aria-expanded={isOpen}
            onClick={() => toggleTab(tab)}
          >
            <Icon name="down" />
          </button>
        </div>
        {isOpen && (
          <>
            <Tabs.Content
              value={tab}
              className="picture-place"
              style={{ height }}
              // The map and the tables have stops of their own.
              tabIndex={-1}
            >
              <OpenTab tab={tab} disk={disk} onHover={onHover} />
            </Tabs.Content>
            <Edge />
          </>
        )}
      </section>
    </Tabs.Root>
  );
}
