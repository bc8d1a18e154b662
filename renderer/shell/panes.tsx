/** The three panes, resizable; in a narrow window two of them lie over the table instead. */
import {
  LayoutPriority,
  Orientation,
  type SplitviewApi,
  SplitviewReact,
  type SplitviewReadyEvent,
} from 'dockview-react';
import { type PointerEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { DiskList } from '../disks/disk-list';
import { Inspector } from '../inspector/inspector';
import { TracePane } from '../trace/trace-pane';
import { useShell } from './shell-state';
import 'dockview-react/dist/styles/dockview.css';

/** A pane that lies over the table is not in its split as well. */
function DisksPane() {
  return useShell((state) => state.isNarrowest) ? null : <DiskList />;
}

function InspectorPane() {
  return useShell((state) => state.isNarrow) ? null : <Inspector />;
}

const components = { disks: DisksPane, trace: TracePane, inspector: InspectorPane };

/**
 * Pixels at first: the disks' is what size, device and route take beside each other,
 * the inspector's a row of hex and characters.
 */
const sizes = { disks: 264, inspector: 456 } as const;

type SidePane = keyof typeof sizes;
const sidePanes = ['inspector', 'disks'] as const satisfies readonly SidePane[];

function addPanes({ api }: SplitviewReadyEvent): void {
  api.addPanel({ id: 'disks', component: 'disks', minimumSize: 190, size: sizes.disks });
  api.addPanel({
    id: 'trace',
    component: 'trace',
    minimumSize: 320,
    priority: LayoutPriority.High,
  });
  api.addPanel({
    id: 'inspector',
    component: 'inspector',
    minimumSize: 280,
    size: sizes.inspector,
  });
}

/** A pane that had to shrink or fold gets its width back as soon as there is room. */
function arrange(api: SplitviewApi, widths: Readonly<Record<SidePane, number>>): void {
  const { areDisksOpen, isInspectorOpen, isNarrow, isNarrowest } = useShell.getState();
  const isShown = {
    disks: areDisksOpen && !isNarrowest,
    inspector: isInspectorOpen && !isNarrow,
  };
  for (const id of sidePanes) {
    const pane = api.getPanel(id)?.api;
    if (pane && pane.isVisible !== isShown[id]) pane.setVisible(isShown[id]);
  }
  for (const id of sidePanes) {
    const pane = api.getPanel(id)?.api;
    if (pane?.isVisible && pane.width !== widths[id]) pane.setSize({ size: widths[id] });
  }
}

function Overlay({
  side,
  children,
}: {
  readonly side: 'left' | 'right';
  readonly children: ReactNode;
}) {
  return <div className={`overlay ${side}`}>{children}</div>;
}

export function Panes() {
  const { areDisksOpen, isInspectorOpen, isNarrow, isNarrowest } = useShell();
  const [api, setApi] = useState<SplitviewApi | null>(null);
  const place = useRef<HTMLDivElement>(null);
  /** As the user last dragged them. */
  const widths = useRef<Record<SidePane, number>>({ ...sizes });
  useEffect(() => {
    if (api) arrange(api, widths.current);
  }, [api, areDisksOpen, isInspectorOpen, isNarrow, isNarrowest]);
  useEffect(() => {
    if (!api || !place.current) return;
    // After the split has taken its new size: an animation frame later.
    const observer = new ResizeObserver(() =>
      requestAnimationFrame(() => arrange(api, widths.current)),
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [api]);

  const dragBegins = ({ target }: PointerEvent) => {
    if (!(target instanceof Element) || !target.closest('.dv-sash')) return;
    const dragEnds = () => {
      for (const id of sidePanes) {
        const pane = api?.getPanel(id)?.api;
        if (pane?.isVisible) widths.current[id] = pane.width;
      }
    };
    document.addEventListener('pointerup', dragEnds, { once: true });
  };

  return (
    <div className="panes" ref={place} onPointerDown={dragBegins}>
      <SplitviewReact
        className="panes-split"
        orientation={Orientation.HORIZONTAL}
        proportionalLayout={false}
        components={components}
        onReady={(event) => {
          addPanes(event);
          setApi(event.api);
        }}
      />
      {isNarrowest && areDisksOpen && (
        <Overlay side="left">
          <DiskList />
        </Overlay>
      )}
      {isNarrow && isInspectorOpen && (
        <Overlay side="right">
          <Inspector />
        </Overlay>
      )}
    </div>
  );
}
