/** The pane on the left. */
import { AttachForm } from './attach-form';
import { DiskItem } from './disk-item';
import { useDisks } from './disk-state';
import './disks.css';

export function DiskList() {
  const disks = useDisks((state) => state.disks);
  return (
    <nav className="disks-pane" aria-label="Disks">
      <div className="disks-scroll">
        <h2 className="pane-title">Attached</h2>
        {disks.length === 0 && <p className="disks-none dim">No disks yet</p>}
        <ul className="disk-list" aria-label="Disks" data-testid="disk-list">
          {disks.map((disk) => (
            <DiskItem key={disk.id} disk={disk} />
          ))}
        </ul>
      </div>
      <AttachForm />
    </nav>
  );
}
