/** In place of a picture of nothing. */
export function NothingYet() {
  return (
    <p className="picture-empty dim" data-testid="picture-empty">
      No request to draw: none came yet, or none passes the filter.
    </p>
  );
}
