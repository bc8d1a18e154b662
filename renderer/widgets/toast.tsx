/** A short message that goes by itself: "Copied /dev/loop0". Errors that need an answer are no toasts. */
import { create } from 'zustand';

interface ToastState {
  readonly text: string;
  readonly isError: boolean;
}

const useToast = create<ToastState>(() => ({ text: '', isError: false }));
const SHOWN_MS = 2500;
const ERROR_SHOWN_MS = 6000;
let timer: number | null = null;

export function showToast(text: string, isError = false): void {
  if (timer !== null) window.clearTimeout(timer);
  useToast.setState({ text, isError });
  timer = window.setTimeout(
    () => useToast.setState({ text: '', isError: false }),
    isError ? ERROR_SHOWN_MS : SHOWN_MS,
  );
}

export function Toast() {
  const { text, isError } = useToast();
  return (
    <div className="toast-place" role="status" data-testid="toast">
      {text !== '' && <div className={isError ? 'toast failed' : 'toast'}>{text}</div>}
    </div>
  );
}
