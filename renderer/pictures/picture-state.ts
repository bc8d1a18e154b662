/** Which picture is shown, how tall, and what has been brushed. View state only. */
import { create } from 'zustand';
import type { Brush } from './brush';

export const pictureTabs = ['map', 'time', 'latency', 'addresses', 'statistics'] as const;
export type PictureTab = (typeof pictureTabs)[number];

export interface PictureState {
  readonly tab: PictureTab;
  readonly isOpen: boolean;
  /** Pixels of the picture below its tabs. */
  readonly height: number;
  /** The last brush, and its part of the filter's text. */
  readonly brush: { readonly brush: Brush; readonly text: string } | null;
}

export const LEAST_HEIGHT = 90;
const FIRST_HEIGHT = 216;
/** In a lower window the rows need the room: the pictures begin folded. */
const LOW_WINDOW = 640;

export const usePictures = create<PictureState>(() => ({
  tab: 'map',
  isOpen: window.innerHeight >= LOW_WINDOW,
  height: FIRST_HEIGHT,
  brush: null,
}));

/** Opens the pictures at `tab`; the tab that is open already folds them. */
export function toggleTab(tab: PictureTab): void {
  const { isOpen, tab: current } = usePictures.getState();
  usePictures.setState({ tab, isOpen: !(isOpen && tab === current) });
}

/** At most so tall that some rows of the table stay in sight. */
export function setPictureHeight(height: number): void {
  const most = Math.max(LEAST_HEIGHT, window.innerHeight - 300);
  usePictures.setState({ height: Math.max(LEAST_HEIGHT, Math.min(height, most)) });
}
