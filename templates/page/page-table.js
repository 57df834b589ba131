// A table that draws only the rows in view: with 10,000 of them, typing and scrolling stay smooth.
import { el } from "./page-dom.js";

const ALL = 80, BEYOND = 12;

// columns: [{ key, label, class, sorts }]; row(item, index): the cells. Up to ALL rows are drawn at once, at their own heights;
// more have the height --row of page.css.
export class Table {
  constructor({ caption, columns, row, sort = null, onsort = null }) {
    Object.assign(this, { columns, row, items: [], drawn: [0, 0], sort, onsort });
    this.head = columns.map(column => this.heading(column));
    this.above = el("tr", { class: "space", "aria-hidden": "true" }, el("td", { colspan: columns.length }));
    this.below = this.above.cloneNode(true);
    this.body = el("tbody");
    this.table = el("table", { class: "rows" }, el("caption", { class: "unseen" }, caption), el("thead", {}, el("tr", {}, this.head)), this.body);
    this.node = el("div", { class: "sheet" }, this.table);
    this.again = () => { this.pending ||= requestAnimationFrame(() => { this.pending = 0; this.draw(); }); };
    addEventListener("scroll", this.again, { passive: true });
    addEventListener("resize", this.again);
  }

  // Called when the view is left.
  end() {
    removeEventListener("scroll", this.again);
    removeEventListener("resize", this.again);
  }

  heading(column) {
    const content = column.sorts
      ? el("button", { type: "button", onclick: () => this.onsort(column.key) }, column.label)
      : column.label;
    const cell = el("th", { scope: "col", class: column.class || null }, content);
    this.mark(cell, column);
    return cell;
  }

  mark(cell, column) {
    if (column.sorts) cell.setAttribute("aria-sort", this.sort && this.sort.key === column.key ? this.sort.down ? "descending" : "ascending" : "none");
  }

  show(items, sort = this.sort) {
    this.items = items;
    this.nodes = new Map();
    this.sort = sort;
    this.columns.forEach((column, i) => this.mark(this.head[i], column));
    this.table.setAttribute("aria-rowcount", String(items.length + 1));
    this.table.classList.toggle("many", items.length > ALL);
    this.draw(true);
  }

  rowHeight() {
    return parseFloat(getComputedStyle(this.table).getPropertyValue("--row")) || 44;
  }

  draw(anew = false) {
    const count = this.items.length;
    let from = 0, to = count;
    if (count > ALL) {
      const height = this.rowHeight(), top = this.body.getBoundingClientRect().top;
      from = Math.min(count, Math.max(0, Math.floor(-top / height) - BEYOND));
      to = Math.min(count, Math.max(from, Math.ceil((innerHeight - top) / height) + BEYOND));
      this.above.firstChild.style.height = `${from * height}px`;
      this.below.firstChild.style.height = `${(count - to) * height}px`;
    }
    if (!anew && from === this.drawn[0] && to === this.drawn[1]) return;
    this.drawn = [from, to];
    const focused = this.body.contains(document.activeElement) && document.activeElement.dataset.focus;
    for (const index of this.nodes.keys()) if (index < from || index >= to) this.nodes.delete(index);
    const rows = this.items.slice(from, to).map((item, i) => this.one(item, from + i));
    this.body.replaceChildren(...count > ALL ? [this.above, ...rows, this.below] : rows);
    if (focused) this.body.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  one(item, index) {
    if (this.nodes.has(index)) return this.nodes.get(index);
    const cells = this.row(item, index), node = el("tr", { "aria-rowindex": String(index + 2) }, cells.map((cell, i) =>
      i === 0 ? el("th", { scope: "row", class: this.columns[i].class || null }, cell) : el("td", { class: this.columns[i].class || null }, cell)));
    this.nodes.set(index, node);
    return node;
  }
}
