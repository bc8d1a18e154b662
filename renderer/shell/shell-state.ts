/** The frame's own state: which panes are open, and which tab. */
import { create } from 'zustand';

export type InspectorTab = 'request' | 'payload';

export interface ShellState {
  /** Below this width the inspector lies over the table; below the other one, the disks too. */
  readonly isNarrow: boolean;
  readonly isNarrowest: boolean;
  readonly isInspectorOpen: boolean;
  readonly areDisksOpen: boolean;
  readonly inspectorTab: InspectorTab;
  /** The panel "This machine". */
  readonly isMachineOpen: boolean;
  setInspectorOpen: (isOpen: boolean) => void;
  setDisksOpen: (isOpen: boolean) => void;
  /** Opens the inspector and goes into it; Escape leads back to the table. */
  enterInspector: () => void;
}

export const INSPECTOR_TAB_LIST_ID = 'inspector-tabs';

const narrow = window.matchMedia('(max-width: 1099px)');
const narrowest = window.matchMedia('(max-width: 759px)');

function focusInspector(): void {
  const tabs = document.getElementById(INSPECTOR_TAB_LIST_ID);
  tabs?.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus();
}

export const useShell = create<ShellState>((set) => ({
  isNarrow: narrow.matches,
  isNarrowest: narrowest.matches,
  isInspectorOpen: !narrow.matches,
  areDisksOpen: !narrowest.matches,
  inspectorTab: 'request',
  isMachineOpen: false,
  setInspectorOpen: (isInspectorOpen) => set({ isInspectorOpen }),
  setDisksOpen: (areDisksOpen) => set({ areDisksOpen }),
  enterInspector: () => {
    set({ isInspectorOpen: true });
    requestAnimationFrame(focusInspector);
  },
}));

narrow.addEventListener('change', ({ matches }) => {
  useShell.setState({ isNarrow: matches, isInspectorOpen: !matches });
});
narrowest.addEventListener('change', ({ matches }) => {
  useShell.setState({ isNarrowest: matches, areDisksOpen: !matches });
});
