/** The application menu's commands, and the keys that work everywhere in the window. */
import { useEffect } from 'react';
import type { MenuCommand } from '../../app/contract/window-api';
import { chooseExport, openCaptures } from '../captures/capture-actions';
import { chooseImages, detach } from '../disks/disk-actions';
import { useDisks } from '../disks/disk-state';
import { FILTER_FIELD_ID } from '../trace/filter-field';
import { GRID_ID } from '../trace/table/names';
import { traceSession } from '../trace/trace-client';
import { useTraceView } from '../trace/view-state';
import { type InspectorTab, useShell } from './shell-state';

function focusFilter(): void {
  const field = document.getElementById(FILTER_FIELD_ID);
  if (!(field instanceof HTMLInputElement)) return;
  field.focus();
  field.select();
}

const commands: Readonly<Record<MenuCommand, () => void>> = {
  attach: () => void chooseImages(),
  'open-capture': () => void openCaptures(),
  export: chooseExport,
  detach: () => {
    const { selected } = useDisks.getState();
    if (selected !== null) void detach(selected);
  },
  pause: () => traceSession.pause(!useTraceView.getState().paused),
  clear: () => traceSession.clear(),
  'focus-filter': focusFilter,
  'toggle-disks': () => {
    const { areDisksOpen, setDisksOpen } = useShell.getState();
    setDisksOpen(!areDisksOpen);
  },
  'toggle-inspector': () => {
    const { isInspectorOpen, setInspectorOpen } = useShell.getState();
    setInspectorOpen(!isInspectorOpen);
  },
};

export function runCommand(command: MenuCommand): void {
  commands[command]();
}

function openTab(tab: InspectorTab): void {
  useShell.setState({ inspectorTab: tab, isInspectorOpen: true });
}

const isText = (target: EventTarget | null): boolean =>
  target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;

/** Folds what lies over the table, then clears the selection. What has a use of its own for Escape stops it. */
function escape(): void {
  const shell = useShell.getState();
  if (shell.isNarrow && shell.isInspectorOpen) shell.setInspectorOpen(false);
  else if (shell.isNarrowest && shell.areDisksOpen) shell.setDisksOpen(false);
  else if (!isText(document.activeElement)) traceSession.clearSelection();
  document.getElementById(GRID_ID)?.focus();
}

function keyPressed(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.altKey || event.metaKey) return;
  const { key, ctrlKey } = event;
  if (key === 'Escape') escape();
  else if (ctrlKey && key === 'o') runCommand('attach');
  else if (ctrlKey && key === '1') openTab('request');
  else if (ctrlKey && key === '2') openTab('payload');
  else if (!ctrlKey && key === '/' && !isText(event.target)) focusFilter();
  else return;
  event.preventDefault();
}

export function useKeys(): void {
  useEffect(() => {
    window.addEventListener('keydown', keyPressed);
    return () => window.removeEventListener('keydown', keyPressed);
  }, []);
}
