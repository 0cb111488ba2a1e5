// Returns the faults of the open page as lines of text. `width` is the width of the window.
(width) => {
  const faults = [];
  const fault = (check, element, text) => faults.push(`${check}: ${describe(element)}: ${text}`);

  const describe = (element) => {
    const parts = [];
    for (let node = element; node && node !== document.body && parts.length < 3; node = node.parentElement) {
      const classes = node.getAttribute("class");
      parts.unshift(node.localName + (node.id ? `#${node.id}` : "") + (classes ? `.${classes.trim().replace(/\s+/g, ".")}` : ""));
      if (node.id) break;
    }
    const text = element.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
    return `${parts.join(" ")}${text ? ` "${text}"` : ""}`;
  };

  const style = (element) => getComputedStyle(element);
  const isSvg = (element) => element instanceof SVGElement;
  const isClipped = (element) => {
    for (let node = element; node; node = node.parentElement) if (style(node).clipPath === "inset(50%)") return true;
    return false;
  };
  const isShown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true }) && !isClipped(element);
  const scrolls = (element) => ["auto", "scroll"].includes(style(element).overflowX);
  const scroller = (element) => {
    for (let node = element.parentElement; node && node !== document.body; node = node.parentElement) if (scrolls(node)) return node;
    return null;
  };
  const elements = [...document.body.querySelectorAll("*")].filter((element) => !["title", "desc", "script", "style"].includes(element.localName) && isShown(element));

  // No element reaches beyond the window, except in a container that scrolls.
  const wide = document.scrollingElement.scrollWidth;
  if (wide > width || window.innerWidth > width) fault("overflow", document.body, `the page is ${Math.max(wide, window.innerWidth)} px wide in ${width} px`);
  for (const element of elements) {
    if (scroller(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.width === 0 && box.height === 0) continue;
    // The box of a label contains its halo.
    const halo = isSvg(element) ? 1.5 : 0.5;
    if (box.right > width + halo || box.left < -halo) fault("overflow", element, `from ${box.left.toFixed(1)} to ${box.right.toFixed(1)} px in ${width} px`);
  }
  for (const element of elements) {
    if (!isSvg(element) && ["hidden", "clip"].includes(style(element).overflowX) && element.scrollWidth > element.clientWidth + 1) fault("cut", element, `${element.scrollWidth} px of content in ${element.clientWidth} px`);
  }
  // A table scrolls only if the reader unfolds it.
  for (const element of elements) {
    if (scrolls(element) && !element.closest("details") && element.scrollWidth > element.clientWidth + 1) fault("scroll", element, `${element.scrollWidth} px of content in ${element.clientWidth} px`);
  }

  // Labels of a chart do not cover each other, and lie in their chart, cell or section.
  const labels = [...document.querySelectorAll("svg text")].filter((text) => isShown(text) && text.textContent.trim() !== "");
  const boxes = new Map(labels.map((label) => [label, label.getBoundingClientRect()]));
  const charts = Map.groupBy(labels, (label) => { let svg = label.ownerSVGElement; while (svg.ownerSVGElement) svg = svg.ownerSVGElement; return svg; });
  for (const [chart, texts] of charts) {
    for (const [position, one] of texts.entries()) {
      for (const other of texts.slice(position + 1)) {
        const [a, b] = [boxes.get(one), boxes.get(other)];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // The box of a text is higher than its letters.
        if (across > 1 && down > Math.min(a.height, b.height) * 0.35) fault("overlap", one, `covers "${other.textContent.trim()}"`);
      }
    }
    const frame = (chart.closest("figure, td, section, p") ?? chart).getBoundingClientRect();
    for (const text of texts) {
      const box = boxes.get(text);
      if (box.top < frame.top - 6 || box.bottom > frame.bottom + 6) fault("outside", text, "is above or below its chart");
    }
  }

  // Text has a contrast of at least 4.5 against the colour behind it.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parsed = new Map();
  const colour = (text) => {
    if (!parsed.has(text)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = "#0000";
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      parsed.set(text, { rgb: [r, g, b], alpha: a / 255 });
    }
    return parsed.get(text);
  };
  const over = ({ rgb, alpha }, ground) => rgb.map((channel, index) => channel * alpha + ground[index] * (1 - alpha));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((channel) => channel / 255).map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = (element) => {
    let product = 1;
    for (let node = element; node; node = node.parentElement) product *= Number(style(node).opacity);
    return product;
  };
  const faded = ({ rgb, alpha }, share) => ({ rgb, alpha: alpha * share });
  // Chromium's ground where no element has a background.
  const isDark = matchMedia("screen and (prefers-color-scheme: dark)").matches && style(document.documentElement).colorScheme.includes("dark");
  const screen = isDark ? [18, 18, 18] : [255, 255, 255];
  const groundOf = (element) => {
    let ground = screen;
    const chain = [];
    for (let node = element; node; node = node.parentElement) chain.unshift(node);
    for (const node of chain) if (!isSvg(node) || node.localName === "svg") ground = over(faded(colour(style(node).backgroundColor), opacity(node)), ground);
    return ground;
  };
  // The filled shapes that are drawn before a label, and lie behind the middle of it.
  const shapesBehind = (label) => {
    const box = boxes.get(label);
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    let chart = label.ownerSVGElement;
    while (chart.ownerSVGElement) chart = chart.ownerSVGElement;
    return [...chart.querySelectorAll("rect, circle, path")].filter((shape) => {
      if (!(shape.compareDocumentPosition(label) & Node.DOCUMENT_POSITION_FOLLOWING) || style(shape).fill === "none" || !isShown(shape)) return false;
      const point = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
      return shape.isPointInFill(point);
    });
  };
  const textColours = (element) => {
    const computed = style(element);
    if (!isSvg(element)) return [faded(colour(computed.color), opacity(element)), groundOf(element)];
    let ground = groundOf(element.ownerSVGElement);
    for (const shape of shapesBehind(element)) ground = over(faded(colour(style(shape).fill), Number(style(shape).fillOpacity) * opacity(shape)), ground);
    // A halo of at least 2 px is the ground of the letters.
    const hasHalo = computed.paintOrder.startsWith("stroke") && computed.stroke !== "none" && parseFloat(computed.strokeWidth) >= 2;
    if (hasHalo) ground = over(faded(colour(computed.stroke), Number(computed.strokeOpacity)), ground);
    return [faded(colour(computed.fill), Number(computed.fillOpacity) * opacity(element)), ground];
  };
  const holdsText = (element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
  for (const element of elements.filter(holdsText)) {
    const [ink, ground] = textColours(element);
    const found = contrast(over(ink, ground), ground);
    if (found < 4.5) fault("contrast", element, `${found.toFixed(2)} instead of 4.5`);
  }

  // Each picture has a text alternative, or is hidden from screen readers.
  const nameOf = (svg) => svg.getAttribute("aria-label") || (svg.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim() || [...svg.children].find((child) => child.localName === "title")?.textContent;
  for (const svg of document.querySelectorAll("svg")) {
    if (svg.closest("[aria-hidden=true]")) continue;
    if (svg.parentElement.closest("svg")) continue;
    if (svg.getAttribute("role") !== "img" || !nameOf(svg)) fault("alternative", svg, "has no role img with a name, and is not hidden");
  }
  for (const svg of document.querySelectorAll("figure > svg")) {
    if (svg.getAttribute("aria-hidden") !== "true" && !svg.closest("section")?.querySelector("table")) fault("alternative", svg, "has no table in its section");
  }
  for (const image of document.querySelectorAll("img:not([alt])")) fault("alternative", image, "has no alt");

  // A value that is missing is named in words.
  for (const element of elements.filter(holdsText)) {
    const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join(" ");
    const found = own.match(/\b(NaN|undefined|null|inf|None)\b|Some\(|\{[a-z_]*\}/);
    if (found && element.localName !== "code") fault("value", element, `shows ${found[0]}`);
  }

  // Links to a part of the page lead somewhere, and no other part has the same name.
  const names = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const name of new Set(names.filter((id, index) => names.indexOf(id) !== index))) faults.push(`link: #${name} is the name of several elements`);
  for (const link of document.querySelectorAll("a[href^='#']")) if (!names.includes(link.getAttribute("href").slice(1))) fault("link", link, `${link.getAttribute("href")} is not on the page`);

  return faults;
}
