/** The three panes, resizable; in a narrow window two of them lie over the table instead. */
import {
  LayoutPriority,
  Orientation,
  type SplitviewApi,
  SplitviewReact,
  type SplitviewReadyEvent,
} from 'dockview-react';
import { type ReactNode, useEffect, useState } from 'react';
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

/** Pixels at first: the inspector's is what a row of hex and characters takes. */
const sizes = { disks: 248, inspector: 456 } as const;

function addPanes({ api }: SplitviewReadyEvent): void {
  const { areDisksOpen, isInspectorOpen, isNarrow, isNarrowest } = useShell.getState();
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
  // Sizes count only once the whole has one.
  requestAnimationFrame(() => {
    api.getPanel('inspector')?.api.setSize({ size: sizes.inspector });
    api.getPanel('disks')?.api.setSize({ size: sizes.disks });
    setVisible(api, 'disks', areDisksOpen && !isNarrowest);
    setVisible(api, 'inspector', isInspectorOpen && !isNarrow);
  });
}

function setVisible(api: SplitviewApi, id: keyof typeof sizes, isVisible: boolean): void {
  const panel = api.getPanel(id);
  if (panel && panel.api.isVisible !== isVisible) panel.api.setVisible(isVisible);
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
  useEffect(() => {
    if (!api) return;
    setVisible(api, 'disks', areDisksOpen && !isNarrowest);
    setVisible(api, 'inspector', isInspectorOpen && !isNarrow);
  }, [api, areDisksOpen, isInspectorOpen, isNarrow, isNarrowest]);
  return (
    <div className="panes">
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
