// A dot that has a player starts it; the link alone would only lead there.
for (const link of document.querySelectorAll(".scatter a")) {
  link.addEventListener("click", () => {
    const audio = document.querySelector(`${link.getAttribute("href")} audio`);
    if (audio) audio.play();
  });
}
