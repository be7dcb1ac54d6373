// Marks as shapes over a zoomable picture, and how they move. `at` holds x and y in turn, in pixels of the picture as it
// is displayed: two corners of a box, or all of a region.

export const bounded = (value, low, high) => Math.min(Math.max(value, low), high);

export const shape = (name, attributes = {}, parent = null) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
};

// the box around a mark: left, top, right, bottom
export const around = (at) => {
  const [xs, ys] = [0, 1].map((axis) => at.filter((_, n) => n % 2 === axis));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
};

// where it can be pulled: a region at its corners, a box at its corners and edges, clockwise from the upper left
export const grips = ({ kind, at }) => {
  if (kind === "region") return at.flatMap((x, n) => (n % 2 ? [] : [[x, at[n + 1]]]));
  const [x1, y1, x2, y2] = at, [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [[x1, y1], [x, y1], [x2, y1], [x2, y], [x2, y2], [x, y2], [x1, y2], [x1, y]];
};

// moved as a whole, as far as the picture reaches
export const moved = (at, [dx, dy], [width, height]) => {
  const [x1, y1, x2, y2] = around(at);
  const by = [bounded(dx, -x1, width - x2), bounded(dy, -y1, height - y2)];
  return at.map((value, n) => value + by[n % 2]);
};

// pulled at a grip to a pixel: one corner of a region, one or two edges of a box, which stays a pixel wide and high
export const pulled = ({ kind, at }, grip, [x, y], [width, height]) => {
  if (kind === "region") {
    const to = [bounded(x, 0, width), bounded(y, 0, height)];
    return at.map((value, n) => (n >> 1 === grip ? to[n % 2] : value));
  }
  const [x1, y1, x2, y2] = at;
  return [
    [0, 6, 7].includes(grip) ? bounded(x, 0, x2 - 1) : x1,
    [0, 1, 2].includes(grip) ? bounded(y, 0, y2 - 1) : y1,
    [2, 3, 4].includes(grip) ? bounded(x, x1 + 1, width) : x2,
    [4, 5, 6].includes(grip) ? bounded(y, y1 + 1, height) : y2,
  ];
};

// a drawing that follows the view; widthOf: of the picture that is shown; told: hears where its corner lies, and how
// large a pixel of it is
export const follow = (viewer, svg, frame, widthOf, told = () => {}) => {
  svg.removeAttribute("viewBox");
  viewer.canvas.append(svg);
  const look = () => {
    const bounds = viewer.world.getItemAt(0)?.getBounds();
    if (!bounds) return;
    const onScreen = (point) => viewer.viewport.viewportToViewerElementCoordinates(point);
    const { x, y } = onScreen(bounds.getTopLeft()), scale = (onScreen(bounds.getTopRight()).x - x) / widthOf();
    frame.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    frame.setAttribute("font-size", 13 / scale);
    told({ x, y, scale });
  };
  for (const name of ["open", "resize", "update-viewport"]) viewer.addHandler(name, look);
};
