/** Images may be dropped anywhere on the window. */
import { useEffect, useState } from 'react';
import { attachAll, showProblem } from '../disks/disk-actions';
import { bridge } from './bridge';

const holdsFiles = (event: DragEvent): boolean =>
  event.dataTransfer?.types.includes('Files') ?? false;

function dropped(event: DragEvent): void {
  const files = [...(event.dataTransfer?.files ?? [])];
  const paths = files.map((file) => ({ name: file.name, path: bridge.pathForFile(file) }));
  attachAll(paths.filter(({ path }) => path !== '').map(({ path }) => path));
  for (const { name } of paths.filter(({ path }) => path === '')) {
    showProblem(name, {
      code: 'IMAGE_NOT_A_FILE',
      errno: null,
      message: `${name} has no path on this machine. Save it as a file first, then drop that.`,
      injected: false,
      holders: [],
    });
  }
}

export function DropTarget() {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      // Always: a window must never navigate to what is dropped on it.
      event.preventDefault();
      if (!event.dataTransfer) return;
      event.dataTransfer.dropEffect = holdsFiles(event) ? 'copy' : 'none';
      if (holdsFiles(event)) setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setOver(false);
      if (holdsFiles(event)) dropped(event);
    };
    window.addEventListener('dragenter', over);
    window.addEventListener('dragover', over);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragenter', over);
      window.removeEventListener('dragover', over);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, []);
  if (!isOver) return null;
  return (
    <div className="drop-target" data-testid="drop-target">
      <div>Drop to attach</div>
    </div>
  );
}
