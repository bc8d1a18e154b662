/** Exports the selected capture in another program's format, and shows how far that is. */
import { DropdownMenu } from 'radix-ui';
import { exportFormatNames, exportFormats, type ExportStanding } from '../../app/contract/capture';
import type { Disk } from '../../app/contract/disk';
import { exportCapture, stopExport, useExportOf, useExports } from './capture-actions';
import './captures.css';

function Standing({ standing }: { readonly standing: ExportStanding }) {
  const { disk, format, path, share } = standing;
  return (
    <button
      type="button"
      className="button recording"
      data-testid="exporting"
      title={`Being exported to ${path}. Click to call it off.`}
      onClick={() => void stopExport(disk)}
    >
      <span>{exportFormats[format].title}</span>
      <progress className="progress" aria-label="Exported" max={1} value={share} />
      <span className="data">{Math.floor(share * 100)} %</span>
      Stop
    </button>
  );
}

export function ExportControl({ disk }: { readonly disk: Disk }) {
  const standing = useExportOf(disk.id);
  const isChoosing = useExports((state) => state.isChoosing);
  if (standing) return <Standing standing={standing} />;
  return (
    <DropdownMenu.Root
      modal={false}
      open={isChoosing}
      onOpenChange={(isOpen) => useExports.setState({ isChoosing: isOpen })}
    >
      <DropdownMenu.Trigger asChild>
        <button
          type="button"
          className="button"
          data-testid="export"
          title="Writes its requests for another program (Ctrl+E)"
        >
          Export
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end">
          {exportFormatNames.map((format) => (
            <DropdownMenu.Item
              key={format}
              className="menu-item"
              data-testid={`export-${format}`}
              title={exportFormats[format].about}
              onSelect={() => void exportCapture(disk, format)}
            >
              {exportFormats[format].title}…
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
