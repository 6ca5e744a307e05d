// Progressive enhancement only: every act works without this file.
(() => {
  "use strict";
  const doc = document;
  doc.documentElement.classList.add("js");

  // Copy buttons name the element whose text they copy.
  const label = (button, text) => {
    const span = button.querySelector("span");
    if (span) span.textContent = text;
  };
  doc.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const source = doc.getElementById(button.dataset.copy);
    if (!source) return;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.classList.add("done");
      label(button, "Copied");
    } catch {
      const range = doc.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      label(button, "Selected");
    }
    setTimeout(() => {
      button.classList.remove("done");
      label(button, "Copy");
    }, 2000);
  });

  // What is shown once must not vanish by a stray key, click or reload.
  const once = doc.querySelector("dialog[data-once]");
  if (once && typeof once.showModal === "function") {
    const saved = once.querySelector("input[data-saved]");
    let leaving = false;
    once.close();
    once.showModal();
    once.addEventListener("cancel", (event) => event.preventDefault());
    // Some browsers let a second Escape through a prevented cancel.
    once.addEventListener("keydown", (event) => {
      if (event.key === "Escape") event.preventDefault();
    });
    once.addEventListener("close", () => {
      if (!leaving) once.showModal();
    });
    once.querySelector("form.modal-foot").addEventListener("submit", () => {
      leaving = true;
    });
    addEventListener("beforeunload", (event) => {
      if (!leaving && !(saved && saved.checked)) event.preventDefault();
    });
  }

  // A key pair for a client that signs: only its public half is in the form.
  const making = doc.querySelector("[data-make-key]");
  if (making && globalThis.crypto?.subtle) {
    const [button, made] = [making.querySelector("button"), making.querySelector("[data-made]")];
    making.hidden = false;
    button.addEventListener("click", async () => {
      const algorithm = { name: "ECDSA", namedCurve: "P-256" };
      const { publicKey, privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
      const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
      const lines = btoa(String.fromCharCode(...der)).match(/.{1,64}/g).join("\n");
      const pem = `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
      doc.getElementById("public_key").value = JSON.stringify({ kty, crv, x, y });
      doc.getElementById("private-key").textContent = pem;
      made.querySelector("a[download]").href = URL.createObjectURL(new Blob([pem]));
      const saved = made.querySelector("input");
      saved.disabled = saved.checked = false;
      made.hidden = false;
    });
  }

  // Menus close by Escape and by a click elsewhere.
  const menus = () => doc.querySelectorAll("details.pop[open]");
  doc.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  doc.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Relative times stay true while a page is left open.
  const steps = [
    [60, "second"],
    [3600, "minute"],
    [86400, "hour"],
    [2592000, "day"],
    [63072000, "month"],
    [Infinity, "year"],
  ];
  const sizes = { second: 1, minute: 60, hour: 3600, day: 86400, month: 2592000, year: 31536000 };
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const refresh = () => {
    for (const el of doc.querySelectorAll("time[data-relative]")) {
      const away = (Date.parse(el.dateTime) - Date.now()) / 1000;
      if (Number.isNaN(away)) continue;
      if (Math.abs(away) < 45) {
        el.textContent = "just now";
        continue;
      }
      const unit = steps.find(([limit]) => Math.abs(away) < limit)[1];
      el.textContent = words.format(Math.round(away / sizes[unit]), unit);
    }
  };
  refresh();
  setInterval(refresh, 30000);
})();
